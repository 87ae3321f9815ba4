"""The mean lattice and the maps of d, in closed form on a sheared grid, and from where the peak lies on the detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_autophase.analysis import mapped, mean_lattice, quantities
from napari_autophase.geometry import scattering_vector, voxel_steps
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import Geometry, InputError

STEPS = np.array([[0.4, 0.5, 7.1], [0.9, 7.4, -0.6], [8.0, 0.8, 0.7]])
Q = np.array([3.0, 24.0, -8.0])
SIZE = float(np.linalg.norm(Q))
ALONG = Q / SIZE
ACROSS = np.cross(ALONG, [0.0, 0.0, 1.0])
ACROSS /= np.linalg.norm(ACROSS)
SHAPE = (26, 26, 26)
INDEX = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] // 2
PLACE = np.tensordot(STEPS, INDEX, 1)


def ball(u_nm: np.ndarray) -> Reconstruction:
    """A ball of 60 nm displaced by u along Q."""
    amplitude = 0.5 * (1 + np.tanh((60 - np.linalg.norm(PLACE, axis=0)) / 4))
    return Reconstruction(
        object=(amplitude * np.exp(-1j * SIZE * u_nm)).astype(np.complex64),
        support=amplitude > 0.02,
        recipe=Recipe().with_settings({"analyse.threshold": 0.5}),
        figures={},
        voxel_steps_nm=STEPS,
        q_bragg_per_nm=Q,
    )


def core(shown, depth: int = 2) -> np.ndarray:
    return ndimage.binary_erosion(shown.support, iterations=depth)


@pytest.mark.parametrize("tension", [0.0, 2e-3, -1.5e-3])
def test_tension_everywhere_is_in_the_mean_lattice_and_in_d_but_not_in_the_relative_strain(tension):
    found = ball(tension * np.tensordot(ALONG, PLACE, 1))
    d = 2 * np.pi / SIZE / (1 - tension)  # Q of the planes is Q (1 − ε)
    lattice = mean_lattice(found, reference_nm=2 * np.pi / SIZE)
    assert lattice.spacing_nm == pytest.approx(d, rel=1e-6)
    np.testing.assert_allclose(lattice.q_per_nm, Q * (1 - tension), atol=1e-4)
    assert lattice.strain == pytest.approx(tension, abs=5e-6)
    shown = quantities(found, lattice=lattice)
    inside = core(shown)
    np.testing.assert_allclose(shown.strain[inside], 0, atol=2e-6)
    np.testing.assert_allclose(shown.spacing_nm[inside], d, rtol=2e-6)
    np.testing.assert_allclose(shown.absolute_strain[inside], tension, atol=6e-6)
    assert shown.lattice_parameter_nm is None  # of which planes?
    assert shown.tilt_deg[inside].max() < 1e-2


def test_bending_of_the_planes_gives_d_along_q_and_tilt_across():
    """u = a s²/2 + b t²/2 with s along Q and t across: strain a·s, tilt arctan(b·t)."""
    s, t = (np.tensordot(axis, PLACE, 1) for axis in (ALONG, ACROSS))
    a, b = 3e-5, 4e-5
    found = ball(a * s**2 / 2 + b * t**2 / 2)
    shown = quantities(found, lattice=mean_lattice(found, hkl=(1, 1, 1)))
    inside = core(shown)
    z, y, x = (
        size * (np.arange(n) - n // 2)
        for n, size in zip(shown.amplitude.shape, shown.voxel_size, strict=True)
    )
    here = np.stack(np.broadcast_arrays(x[None, None], y[None, :, None], z[:, None, None]))
    strain, tilt = a * np.tensordot(ALONG, here, 1), b * np.tensordot(ACROSS, here, 1)
    d = 2 * np.pi / SIZE * (1 + strain)
    np.testing.assert_allclose(shown.spacing_nm[inside], d[inside], rtol=6e-5)
    np.testing.assert_allclose(shown.tilt_deg[inside], np.degrees(np.abs(tilt[inside])), atol=6e-3)
    np.testing.assert_allclose(
        shown.lattice_parameter_nm[inside], np.sqrt(3) * shown.spacing_nm[inside], rtol=1e-6
    )
    # relative: the same map without its mean
    np.testing.assert_allclose(shown.strain[inside], strain[inside], atol=8e-5)


def test_the_mean_lattice_is_where_the_peak_lies_on_the_detector():
    """The Bragg peak off the centre voxel by whole voxels: Q is that of the pixel and the frame in which it is seen."""
    stood = Geometry(9.0, 0.6, (55.0, 55.0), 0.01, (0.5, 35.4), sample_circles=("x-",), sample_angles_deg=(17.7,),
                     detector_circles=("y-", "x-"), direct_beam_pixel=(16.0, 16.0))  # fmt: skip
    shape, off = (32, 32, 32), (0, 3, -4)
    index = np.indices(shape) - 16
    solid = (
        np.abs(np.array([[1, 0.2, 0], [0, 1, 0.1], [0.3, 0, 1]]) @ index.reshape(3, -1)).max(0).reshape(shape)
        < 6
    )
    made = solid * np.exp(2j * np.pi * np.tensordot(np.array(off) / 32, index, 1))
    seen = np.abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(made)))) ** 2
    assert np.unravel_index(seen.argmax(), shape) == (16 + off[0], 16 + off[1], 16 + off[2])
    found = Reconstruction(
        object=made.astype(np.complex64), support=solid, recipe=Recipe(), figures={}, geometry=stood,
        voxel_steps_nm=voxel_steps(stood, (16, 16, 16), shape), q_bragg_per_nm=scattering_vector(stood, (16, 16), shape),
    )  # fmt: skip
    expected = scattering_vector(stood, (16 + off[1], 16 + off[2]), shape)
    lattice = mean_lattice(found)
    np.testing.assert_allclose(lattice.q_per_nm, expected, atol=2e-5)
    assert np.linalg.norm(expected - found.q_bragg_per_nm) > 0.01


def test_without_ramp_or_geometry_there_is_no_mean_lattice():
    found = ball(np.zeros(SHAPE))
    lost = replace(found, metadata={"ramp_removed": True})
    for each in (lost, replace(found, voxel_steps_nm=None, q_bragg_per_nm=None)):
        assert mean_lattice(each) is None
        shown = quantities(each)
        assert (
            shown.spacing_nm is shown.tilt_deg is shown.absolute_strain is shown.lattice_parameter_nm is None
        )


def test_the_reference_is_a_material_or_a_spacing():
    found = ball(np.zeros(SHAPE))
    gold = mean_lattice(found, material="gold", hkl=(1, 1, 1))
    assert gold.reference.spacing_nm == pytest.approx(0.40786 / np.sqrt(3), rel=1e-9)
    assert "Au (1 1 1)" in gold.reference.words
    said = dict(gold.lines())
    assert "absolute, against 0.235478 nm (Au (1 1 1)" in said["mean strain"]
    assert "give --material" in dict(mean_lattice(found).lines())["mean strain"]
    with pytest.raises(InputError, match="give --hkl"):
        mean_lattice(found, material="Au")
    with pytest.raises(InputError, match="no 'Kryptonite'"):
        mean_lattice(found, material="Kryptonite", hkl=(1, 1, 1))


@pytest.mark.parametrize(
    ("factor", "said"),
    [(1.04, None), (1 / 1.16, "which reflection"), (10.0, "is given in nm"), (0.1, "is given in nm")],
)
def test_a_mean_strain_that_no_crystal_bears_is_said_to_be_none(factor, said):
    """(111) and (200) of a cubic crystal are 15 % apart; a spacing in Å is ten times that in nm."""
    words = dict(mean_lattice(ball(0 * PLACE[0]), reference_nm=factor * 2 * np.pi / SIZE).lines())[
        "mean strain"
    ]
    assert ("no crystal bears that" in words) == (said is not None)
    assert said is None or said in words


def test_maps_are_given_with_and_without_the_ramp():
    """u = ε s: nothing without the ramp, the whole of it with."""
    found = ball(2e-3 * np.tensordot(ALONG, PLACE, 1))
    maps = mapped(quantities(found, lattice=mean_lattice(found, reference_nm=2 * np.pi / SIZE)), {})
    z, y, x = maps.places()
    s = ALONG[0] * x[None, None] + ALONG[1] * y[None, :, None] + ALONG[2] * z[:, None, None]
    inside = ndimage.binary_erosion(maps.volumes["support"].values, iterations=2)
    np.testing.assert_allclose(maps.volumes["displacement"].values[inside], 0, atol=2e-5)
    np.testing.assert_allclose(
        maps.volumes["displacement_with_ramp"].values[inside], 2e-3 * s[inside], atol=2e-4
    )
    assert maps.volumes["strain"].meaning.endswith("relative to the mean lattice")
    assert "absolute" in maps.volumes["absolute_strain"].meaning
    assert maps.about["mean_strain"] == pytest.approx(2e-3, abs=1e-5)
