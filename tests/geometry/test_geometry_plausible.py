"""Numbers in another unit are refused, and the unit is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_autophase.geometry import Geometry, beamlines, check, check_spacing
from napari_autophase.preparation import prepare
from napari_autophase.scan import InputError, Scan

GOOD = Geometry(9.0, 0.5, (55.0, 55.0), 0.005, (32.1, 12.6), direct_beam_pixel=(8.0, 8.0))

ANGLES = tuple(1 + 0.005 * np.arange(16.0))


def scan(geometry: Geometry) -> Scan:
    index = np.indices((16, 16, 16)) - 8
    return Scan((1e4 * np.exp(-np.sum(index**2, 0) / 4)).astype(np.float32), geometry=geometry)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"energy_kev": 9000.0}, "9000 is no energy in keV (2 to 120): 9 keV, if the number is in eV?"),
        ({"energy_kev": 1.44196e-15}, "9 keV, if the number is in J?"),
        ({"energy_kev": 1.3776}, "9 keV, if the number is a wavelength in Å?"),
        ({"energy_kev": 0.13776}, "9 keV, if the number is a wavelength in nm?"),
        ({"energy_kev": 1.3776e-10}, "9 keV, if the number is a wavelength in m?"),
        ({"energy_kev": 0.009}, "9 keV, if the number is in MeV?"),
        ({"energy_kev": float("nan")}, "is no energy"),
        ({"distance_m": 500.0}, "500 is no distance in m (0.02 to 20): 0.5 m, if the number is in mm?"),
        ({"distance_m": -0.5}, "-0.5 is no distance in m (0.02 to 20); check it."),
        ({"pixel_size_um": (55e-6, 55e-6)}, "55 µm, if the number is in m?"),
        ({"pixel_size_um": (0.055, 0.055)}, "55 µm, if the number is in mm?"),
        ({"pixel_size_um": (55.0, 0.0)}, "0 is no pixel size"),
        ({"rocking_step_deg": 5.0}, "0.005 degrees, if the number is in millidegrees?"),
        ({"rocking_step_deg": -5.0}, "-0.005 degrees, if the number is in millidegrees?"),
        ({"rocking_step_deg": 0.0}, "0 is no rocking step"),
        ({"detector_angles_deg": (float("inf"), 0.0)}, "not all numbers"),
        (
            {"detector_angles_deg": (32174.0, 12634.6)},
            "geometry.detector_angles_deg: 32174 is no angle of a circle in degrees (0 to 360): 32.174 degrees, "
            "if the number is in millidegrees?",
        ),
        ({"sample_angles_deg": (-361.0,)}, "geometry.sample_angles_deg: -361 is no angle"),
        # 32.1 and 12.6 degrees: λ/(2 sin ½·34.24°)
        ({"detector_angles_deg": (0.5603, 0.2199)}, "in radians, it is 0.234 nm where the arm points"),
        ({"detector_angles_deg": (0.0, 0.0)}, "span no volume"),
        ({"direct_beam_pixel": (1e300, 8.0)}, "far from any detector"),
        ({"detector_angles_deg": (0.5, 0.2)}, "lattice planes"),
        ({"sample_angles_deg": (1.0, 2.0)}, "one angle per circle"),
        ({"rocking_angles_deg": (1.0, 1.005, 1.01)}, "3 angles, but there are 16 frames"),
        ({"rocking_angles_deg": (*ANGLES[:5], float("nan"), *ANGLES[6:])}, "angles that are no numbers"),
        (
            {"rocking_angles_deg": (*ANGLES[8:], *ANGLES[:8])},
            "does not run steadily from 1.04 to 1.035; put the frames",
        ),
    ],
)
def test_what_no_instrument_has_is_refused_before_anything_is_computed(change, says):
    with pytest.raises(InputError) as caught:
        prepare(scan(replace(GOOD, **change)))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_instruments_have_passes():
    check(GOOD)
    check(replace(GOOD, rocking_step_deg=-0.005))
    check(replace(GOOD, rocking_angles_deg=ANGLES), 16)
    check(replace(GOOD, rocking_step_deg=0.0, energy_step_kev=0.001))
    check(replace(GOOD, pixel_size_um=(4 * 172.0, 4 * 172.0)))
    for beamline in beamlines().values():
        for detector in beamline.detectors:
            if detector.pixel_size_um:
                check(replace(GOOD, pixel_size_um=detector.pixel_size_um))


@pytest.mark.parametrize(("spacing", "fine"), [(0.2355, True), (0.06, True), (0.04, False), (2.0, False)])
def test_lattice_planes_have_a_spacing(spacing, fine):
    q = np.array([0.6, 0.0, -0.8]) * 2 * np.pi / spacing
    if fine:
        check_spacing(GOOD, q)
    else:
        with pytest.raises(InputError, match="no crystal has") as caught:
            check_spacing(GOOD, q)
        assert "radians" not in str(caught.value)


def test_an_assumed_direct_beam_is_said():
    notes = prepare(scan(replace(GOOD, direct_beam_pixel=None))).notes
    assert any("direct beam is not given" in note and "(8, 8)" in note for note in notes)
    assert not any("direct beam" in note for note in prepare(scan(GOOD)).notes)
