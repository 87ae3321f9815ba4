from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_autophase import orthogonal
from napari_autophase.analysis import quantities, trusted
from napari_autophase.analysis.align import fitted
from napari_autophase.evidence import Trust
from napari_autophase.geometry import frame
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import Geometry

SHAPE = (48, 40, 44)
GEOMETRY = Geometry(
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(110.0, 110.0),
    rocking_step_deg=0.02,
    detector_angles_deg=(4.0, 33.0),
    sample_circles=("x-",),
)
STEPS, Q = frame(GEOMETRY, (24, 20, 22), SHAPE)
INDEX = np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] // 2
R = np.tensordot(STEPS, INDEX, 1)
RADIUS = 110.0


def made(object: np.ndarray, geometry: bool = True, support: np.ndarray | None = None) -> Reconstruction:
    return Reconstruction(
        object=object.astype(np.complex64),
        support=np.abs(object) > 0 if support is None else support,
        recipe=Recipe(),
        figures={},
        voxel_steps_nm=STEPS if geometry else None,
        q_bragg_per_nm=Q if geometry else None,
    )


def ball(phase: np.ndarray | float = 0.0, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * (np.linalg.norm(R, axis=0) < RADIUS) * np.exp(1j * phase)


def gaussian(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Displacement along Q̂ in nm and its strain."""
    width, along = 60.0, np.tensordot(Q / np.linalg.norm(Q), r, 1)
    u = 0.04 * np.exp(-(r**2).sum(axis=0) / (2 * width**2))
    return u, -u * along / width**2


def test_the_strain_on_the_orthogonal_grid_is_the_closed_form():
    u, _ = gaussian(R)
    shown = quantities(made(ball(-np.linalg.norm(Q) * u, amplitude=37.0)), 0.5)
    assert shown.unit == "nm"
    assert not shown.relative
    centred = [
        (np.arange(n) - n // 2) * size
        for n, size in zip(shown.amplitude.shape, shown.voxel_size, strict=True)
    ]
    z, y, x = np.meshgrid(*centred, indexing="ij")
    r = np.stack([x, y, z])
    expected_u, expected = gaussian(r)
    deep = np.linalg.norm(r, axis=0) < RADIUS - 3 * max(shown.voxel_size)
    assert shown.support[deep].all()
    assert np.abs(shown.strain - expected)[deep].max() < 0.06 * np.abs(expected).max()
    off = (shown.displacement_nm - expected_u)[deep]
    assert np.ptp(off) < 0.06 * expected_u.max()
    np.testing.assert_allclose(
        shown.phase[deep], np.angle(np.exp(-1j * np.linalg.norm(Q) * shown.displacement_nm[deep])), atol=0.2
    )


def test_a_ramp_of_the_data_is_not_shown_and_nothing_else_is_lost():
    u, _ = gaussian(R)
    phase = -np.linalg.norm(Q) * u
    ramp = 0.9 * INDEX[0] - 0.6 * INDEX[1] + 1.4 * INDEX[2]
    flat, steep = (quantities(made(ball(p)), 0.5) for p in (phase, phase + ramp))
    np.testing.assert_array_equal(flat.support, steep.support)
    np.testing.assert_allclose(flat.object, steep.object, atol=1e-4)


def test_a_crystal_has_the_same_amplitude_one_whatever_its_scale_and_one_bright_voxel():
    object = ball()
    shown = quantities(made(object * 1e-3, geometry=False), 0.5)
    bright = object.copy()
    bright[24, 20, 22] = 7
    other = quantities(made(bright, geometry=False), 0.5)
    assert np.median(shown.amplitude[shown.support]) == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(shown.support, other.support)


def soft_ball(place: tuple[float, float, float]) -> np.ndarray:
    """Return a ball whose edge is a few voxels wide, so many voxels from the middle of the measured grid."""
    at = np.linalg.norm(np.tensordot(STEPS, INDEX - np.array(place)[:, None, None, None], 1), axis=0)
    return np.clip((RADIUS - at) / 30 + 0.5, 0, 1)


@pytest.mark.parametrize("place", [(0.6, -0.5, 0.4), (-0.3, 0.1, -0.5)])
def test_a_crystal_is_shown_about_its_centre_wherever_between_voxels_it_lies(place):
    there, here = (quantities(made(soft_ball(at)), 0.5) for at in (place, (0, 0, 0)))
    for shown in (here, there):
        middle = np.array(shown.amplitude.shape) // 2
        assert ndimage.center_of_mass(shown.amplitude) == pytest.approx(middle, abs=0.02)
    assert there.centre == pytest.approx(np.array(SHAPE) // 2 + place, abs=0.02)
    apart = fitted(there.amplitude, here.amplitude.shape) - here.amplitude
    assert np.abs(apart).max() < 0.2  # a step of half a voxel in the edge is twice as much
    trust = Trust(*[INDEX[0].astype(np.float32)] * 4, figures={}, unit="nm")
    index = trusted(replace(made(soft_ball(place)), trust=trust), there)["strain_averaged"].values
    assert index[tuple(middle)] == round(place[0]), "what goes along lies where the crystal does"
    made_alone = orthogonal.orthogonalise(made(soft_ball(place)))
    middle = np.array(made_alone.data.shape) // 2
    assert ndimage.center_of_mass(np.abs(made_alone.data)) == pytest.approx(middle, abs=0.02)


def test_a_crystal_that_was_put_beside_the_middle_stays_there():
    place = (0, 3, -2)
    shown = quantities(made(soft_ball(place)), 0.5)
    assert shown.centre == tuple(np.array(SHAPE) // 2)
    z, y, x = (
        np.array(ndimage.center_of_mass(shown.amplitude)) - np.array(shown.amplitude.shape) // 2
    ) * shown.voxel_size
    assert (x, y, z) == pytest.approx(STEPS @ place, abs=0.5)


def test_without_geometry_the_grid_is_the_measured_one_in_pixels():
    shown = quantities(made(ball(0.01 * INDEX[1] ** 2), geometry=False), 0.5)
    assert (shown.unit, shown.voxel_size, shown.relative) == ("pixel", (1.0, 1.0, 1.0), True)
    # only what the crystal needs, about the same centre
    assert max(shown.amplitude.shape) < 24
    np.testing.assert_array_equal(fitted(shown.support, SHAPE), np.abs(ball()) > 0)
    assert shown.displacement_nm is None
    # quadratic along the rows: the relative strain is minus its derivative
    middle = np.s_[24, 15:26, 22]
    np.testing.assert_allclose(fitted(shown.strain, SHAPE)[middle], -0.02 * INDEX[1][middle], atol=1e-3)


def test_only_the_largest_piece_is_shown():
    object = ball()
    object[2:5, 2:5, 2:5] = 1
    shown = quantities(made(object, geometry=False), 0.5)
    speck = np.array(shown.amplitude.shape) // 2 + 3 - np.array(SHAPE) // 2
    assert shown.amplitude[tuple(speck)] > 0.9
    assert np.isnan(shown.phase[tuple(speck)])
    assert fitted(shown.support, SHAPE).sum() == (np.abs(ball()) > 0).sum()
    assert np.linalg.norm(shown.surface().vertices - speck, axis=1).min() > 6


def test_moving_the_threshold_gives_what_a_fresh_start_gives():
    rng = np.random.default_rng(1)
    object = ball(gaussian(R)[0] * 30) * rng.uniform(0.5, 1, SHAPE)
    shown = quantities(made(object), 0.3)
    before = shown.support.sum()
    for threshold in (0.6, 0.8):
        moved, fresh = shown.at_threshold(threshold), quantities(made(object), threshold)
        assert moved.support.sum() < before
        for name in ("amplitude", "support", "phase", "strain", "displacement_nm"):
            np.testing.assert_array_equal(getattr(moved, name), getattr(fresh, name), err_msg=name)
        assert moved.strain_limit == fresh.strain_limit
        assert moved.threshold == threshold
    assert shown.support.sum() == before


def test_masks_agree_and_limits_hold_the_strain():
    shown = quantities(made(ball(gaussian(R)[0] * -40)), 0.4)
    assert shown.phase.dtype == shown.strain.dtype == shown.amplitude.dtype == np.float32
    np.testing.assert_array_equal(np.isfinite(shown.phase), shown.support)
    assert not np.isfinite(shown.strain[~shown.support]).any()
    assert np.isfinite(shown.strain[shown.support]).mean() > 0.98
    inside = np.abs(shown.strain[np.isfinite(shown.strain)])
    assert 0.985 < (inside <= shown.strain_limit).mean() < 0.995


@pytest.mark.parametrize("colour", ["phase", "strain", "amplitude"])
def test_the_surface_has_the_crystals_volume_and_finite_colours(colour):
    shown = quantities(made(ball(gaussian(R)[0] * -40)), 0.5)
    surface = shown.surface(colour)
    assert surface.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.05)
    assert surface.values.shape == (len(surface.vertices),)
    assert np.isfinite(surface.values).all()


def test_a_threshold_above_everything_shows_nothing_and_fails_nowhere():
    shown = quantities(made(ball()), 0.5).at_threshold(3.0)
    assert not shown.support.any()
    assert np.isnan(shown.phase).all()
    assert np.isnan(shown.strain).all()
    assert shown.strain_limit > 0
    assert len(shown.surface("strain").faces) == 0


def test_the_voxel_size_of_the_orthogonal_grid_can_be_chosen():
    assert quantities(made(ball()), 0.5, voxel_size_nm=9.0).voxel_size == (9.0, 9.0, 9.0)


def test_what_lies_outside_the_support_is_not_shown():
    support = np.linalg.norm(R, axis=0) < RADIUS / 2
    shown = quantities(made(ball(), geometry=False, support=support), 0.5)
    np.testing.assert_array_equal(fitted(shown.support, SHAPE), support)
