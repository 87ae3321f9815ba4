"""Results and scans as layers: places, colours, thresholds, cuts, and layers that come and go."""

from __future__ import annotations

import dataclasses
import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from viewer_doubles import make_scan

from napari_autophase import analysis
from napari_autophase.analysis.colours import oklab_to_linear_rgb, phase_lab
from napari_autophase.evidence import Trust
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import Scan
from napari_autophase.viewer.model.canvas import compat
from napari_autophase.viewer.model.crystal.drawing import draw
from napari_autophase.viewer.model.crystal.mesh import LIGHT, SHADE, Cut, mesh
from napari_autophase.viewer.model.crystal.quantity import colour_map
from napari_autophase.viewer.model.stage import layers
from napari_autophase.viewer.model.words import readout
from napari_autophase.viewer.sessions import session_of

RADIUS = 9.0
STEP = 5.0


def ball(nm=True, name="ball", size=32):
    """A sphere whose amplitude falls linearly from 1 to 0 between radius − 2 and radius + 2 voxels, with a curved phase."""
    z, y, x = np.indices((size,) * 3) - size // 2
    distance = np.sqrt(x**2 + y**2 + z**2)
    amplitude = np.clip((RADIUS + 2 - distance) / 4, 0, 1)
    found = amplitude * np.exp(1j * 0.02 * (x**2 - z**2))
    return Reconstruction(
        object=found.astype(np.complex64),
        support=amplitude > 0,
        recipe=Recipe(),
        figures={"chi2": 0.01},
        # lab steps (x, y, z) of axes z, y, x: the grid is the laboratory's own
        voxel_steps_nm=STEP * np.eye(3)[:, ::-1] if nm else None,
        q_bragg_per_nm=np.array([26.7, 0.0, 0.0]) if nm else None,
        name=name,
    )


@pytest.fixture
def result(viewer):
    return layers.add_reconstruction(viewer, ball(), group=1)


@pytest.fixture
def slices(viewer, result):
    """Its slices, which are made when they are first looked at, and are then seen."""
    viewer.dims.ndisplay = 2
    return result.layer("slices")


def from_centre(vertices, quantities):
    return vertices - np.array(quantities.amplitude.shape) // 2 * np.array(quantities.voxel_size)


def outward(result):
    return from_centre(result.layer("isosurface").vertices, result.quantities)


def radii(result):
    return np.linalg.norm(outward(result), axis=1)


def area_and_volume(vertices, faces):
    a, b, c = (vertices[faces[:, k]].astype(float) for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2, np.einsum(
        "ij,ij->", a, np.cross(b, c)
    ) / 6


# -- places, names, units


def test_a_result_lies_in_nm_around_its_centre(viewer, result):
    assert [layer.name for layer in viewer.layers] == ["ball · 1 isosurface"]
    viewer.dims.ndisplay = 2
    assert [layer.name for layer in viewer.layers] == ["ball · 1 slices", "ball · 1 isosurface"]
    for layer in viewer.layers:
        assert [str(unit) for unit in layer.units] == ["nanometer"] * 3
        assert layer.axis_labels == ("z", "y", "x")
    layer = result.layer("slices")
    np.testing.assert_allclose(layer.scale, STEP)
    centre = np.array(layer.data.shape) // 2
    np.testing.assert_allclose(layer.data_to_world(centre), 0, atol=1e-9)
    assert result.quantities.amplitude[tuple(centre)] == pytest.approx(1, abs=0.01)
    surface = result.layer("isosurface")
    world = np.array([surface.data_to_world(vertex) for vertex in surface.vertices[::50]])
    np.testing.assert_allclose(np.linalg.norm(world, axis=1), (RADIUS + 2 - 4 * 0.3) * STEP, rtol=0.03)


def test_without_geometry_lengths_are_in_voxels_and_the_strain_is_called_relative(viewer):
    layers.add_reconstruction(viewer, ball(nm=False), group=1).set_colour_by("strain")
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"voxel"}
    assert viewer.dims.axis_labels == ("0", "1", "2")
    assert f"{5 * viewer.layers[0].units[0]:g~#P}" == "5 voxel", "as napari writes it under the scale bar"
    np.testing.assert_allclose(viewer.layers[0].scale, 1)
    assert "relative strain (rad/voxel)" in compat.text(viewer).text


def test_the_laboratory_is_drawn_right_handed(viewer, result):
    towards, down, right = np.eye(3)  # of the screen
    drawn = {"towards": towards, "away": -towards, "up": -down, "down": down, "right": right, "left": -right}
    z, y, x = (drawn[str(way)] for way in compat.camera(viewer).orientation)
    # on a screen with x right, y up and z towards the eye, x × y = z
    screen = np.array([right, -down, towards])
    assert np.linalg.det(np.array([x, y, z]) @ screen.T) == pytest.approx(1)


def test_the_camera_sees_the_whole_crystal_and_up_is_up(viewer, result):
    camera = compat.camera(viewer)
    assert viewer.dims.ndisplay == 3
    np.testing.assert_allclose(camera.center, 0, atol=STEP)
    assert compat.looking(viewer)[1][1] > 0.8
    diameter = 2 * (RADIUS + 2) * STEP * camera.zoom
    assert 0.4 * min(compat.canvas_size(viewer)) < diameter < min(compat.canvas_size(viewer))


# -- colours


def test_colour_limits_are_pi_and_the_99th_percentile(viewer, result, slices):
    assert tuple(slices.contrast_limits) == (-np.pi, np.pi)
    assert tuple(result.layer("isosurface").contrast_limits) == (-np.pi, np.pi)
    result.set_colour_by("strain")
    expected = np.nanpercentile(np.abs(slices.data), 99)
    np.testing.assert_allclose(slices.contrast_limits, (-expected, expected), rtol=1e-5)
    result.set_range((-0.5, 0.5))
    assert tuple(slices.contrast_limits) == (-0.5, 0.5)
    viewer.dims.ndisplay = 3
    assert tuple(result.layer("isosurface").contrast_limits) == (-0.5, 0.5)
    result.set_range(None)
    np.testing.assert_allclose(slices.contrast_limits, (-expected, expected), rtol=1e-5)


def test_every_quantity_that_is_known_can_be_shown(viewer, result, slices):
    assert result.offered == ("phase", "strain", "displacement", "spacing", "tilt", "amplitude")
    inside = result.quantities.support
    shown = {}
    for quantity in result.offered:
        result.set_colour_by(quantity)
        shown[quantity] = slices.data
        low, high = slices.contrast_limits
        assert low < high
        assert quantity.split("_")[0] in compat.text(viewer).text or quantity == "amplitude"
    np.testing.assert_array_equal(np.isfinite(shown["displacement"]), inside)
    # u = −φ/|Q| in pm, but for the mean; along the middle of the ball the phase is 0.02 (x² − z²)
    z, _, x = np.indices(inside.shape) - np.array(inside.shape)[:, None, None, None] // 2
    expected = -1e3 * 0.02 * (x**2 - z**2) / 26.7
    difference = (shown["displacement"] - expected)[inside]
    assert np.ptp(difference) < 0.02 * np.ptp(expected[inside])
    # d = d0 (1 + strain) where the strain is small
    spacing = shown["spacing"][np.isfinite(shown["strain"])]
    mean = spacing.mean()
    np.testing.assert_allclose(spacing / mean - 1, shown["strain"][np.isfinite(shown["strain"])], atol=1e-4)


def test_without_geometry_and_with_one_run_less_is_offered(viewer):
    bare = layers.add_reconstruction(viewer, ball(nm=False), group=1)
    assert bare.offered == ("phase", "strain", "amplitude")


def test_the_strain_of_several_runs_and_its_error_are_shown_inside_the_crystal(viewer):
    found = ball()
    error = np.where(found.support, np.float32(2e-4), np.float32(np.nan)).astype(np.float32)
    error[16, 16, 16] = 9e-4
    averaged = np.where(found.support, np.float32(-3e-4), np.float32(np.nan)).astype(np.float32)
    averaged[16, 16, 16] = 7e-4
    trust = Trust(averaged, error, error, error, {})
    result = layers.add_reconstruction(viewer, dataclasses.replace(found, trust=trust), group=1)
    assert {"averaged", "error"} <= set(result.offered)
    viewer.dims.ndisplay = 2
    result.set_colour_by("error")
    seen = result.layer("slices").data
    np.testing.assert_array_equal(np.isfinite(seen), result.quantities.support & np.isfinite(seen))
    assert seen[tuple(np.array(seen.shape) // 2)] == pytest.approx(9e-4)
    assert np.nanmedian(seen) == pytest.approx(2e-4)
    result.set_colour_by("averaged")  # the strain that this is the error of
    seen = result.layer("slices").data
    assert seen[tuple(np.array(seen.shape) // 2)] == pytest.approx(7e-4)
    assert np.nanmedian(seen) == pytest.approx(-3e-4)
    assert result.layer("slices").contrast_limits == pytest.approx([-3e-4, 3e-4]), "white means zero"


def test_the_layer_list_shows_a_crystal_and_nothing_black(viewer, result):
    """Of a surface, and of what was never seen, napari itself draws a black square."""
    slices_of = {}
    for quantity in ("phase", "strain"):
        result.set_colour_by(quantity)
        picture = result.layer("isosurface").thumbnail
        slices_of[quantity] = picture.copy()
        lit = picture[..., :3].max(axis=-1)
        assert 0.2 < (lit > 0).mean() < 0.9, "a disc"
        assert lit[lit > 0].min() > 60
    assert (slices_of["phase"] != slices_of["strain"]).any()
    viewer.dims.ndisplay = 2
    result.frame()  # as the button does
    viewer.dims.ndisplay = 3
    assert result.layer("slices").thumbnail[..., :3].any()


def test_colours_on_the_surface_are_those_just_inside(result):
    surface, quantities = result.layer("isosurface"), result.quantities
    for quantity in ("phase", "strain", "amplitude"):
        result.set_colour_by(quantity)
        assert surface.colormap.name == getattr(colour_map(quantity), "name", colour_map(quantity))
        assert np.isfinite(surface.vertex_values).all()
    inward = outward(result) / radii(result)[:, None]
    nearest = np.rint(surface.vertices / STEP - inward).astype(int)
    result.set_colour_by("phase")
    inside = np.angle(quantities.object[tuple(nearest.T)])
    apart = np.abs(np.angle(np.exp(1j * (surface.vertex_values - inside))))
    assert np.median(apart) < 0.15


def test_the_relief_follows_the_light_and_can_be_taken_away(result):
    surface = result.layer("isosurface")
    direction = outward(result) / radii(result)[:, None]
    cosine = direction @ np.array(LIGHT) / np.linalg.norm(LIGHT)
    np.testing.assert_allclose(surface.texcoords[:, 0], SHADE + (1 - SHADE) * (1 + cosine) / 2, atol=0.05)
    result.set_relief(False)
    assert (surface.texcoords[:, 0] > 0.99).all()


def test_the_phase_map_closes_keeps_its_pace_and_is_light():
    lab = phase_lab()
    np.testing.assert_allclose(lab[0], lab[-1], atol=1e-9)
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert steps.max() < 1.02 * steps.min()
    assert lab[:, 0].min() > 0.55
    rgb = oklab_to_linear_rgb(lab)
    assert rgb.min() > -1e-3
    assert rgb.max() < 1 + 1e-3


# -- the threshold


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.8])
def test_everything_follows_the_threshold(viewer, result, slices, threshold):
    viewer.dims.ndisplay = 3
    result.set_threshold(threshold)
    assert result.threshold == threshold
    np.testing.assert_allclose(radii(result), (RADIUS + 2 - 4 * threshold) * STEP, atol=0.3 * STEP)
    inside = result.quantities.amplitude >= threshold
    surface = result.layer("isosurface")
    assert len(surface.texcoords) == len(surface.vertices) == len(surface.vertex_values)
    viewer.dims.ndisplay = 2  # what was hidden follows when it is shown
    np.testing.assert_array_equal(np.isfinite(slices.data), inside)
    result.set_colour_by("strain")
    strained = np.isfinite(slices.data)
    assert not (strained & ~inside).any()
    assert strained.sum() > 0.98 * inside.sum()


def test_a_threshold_above_everything_leaves_nothing_and_comes_back(result):
    before = result.layer("isosurface").vertices.copy()
    result.set_threshold(5.0)
    assert len(result.layer("isosurface").vertices) == 0
    assert np.isnan(result.quantities.phase).all()
    result.set_clipping(Cut((1, 0, 0), 0.0))
    result.frame()
    result.set_clipping(None)
    result.set_threshold(0.3)
    np.testing.assert_array_equal(result.layer("isosurface").vertices, before)


def test_specks_apart_from_the_crystal_are_not_drawn(viewer):
    crystal = ball()
    crystal.object[2:4, 2:4, 2:4] = 1
    crystal.support[2:4, 2:4, 2:4] = True
    result = layers.add_reconstruction(viewer, crystal, group=1)
    for cut in (None, Cut((0, 1, 0), 12.0)):
        result.set_clipping(cut)
        assert radii(result).max() < (RADIUS + 2) * STEP


# -- the cut


@pytest.mark.parametrize("normal", [(1, 0, 0), (0, -1, 0), (1, 2, -1)])
@pytest.mark.parametrize("position", [-11.0, 0.0, 14.5])
def test_a_cut_ball_is_a_cap_closed_by_a_disc(normal, position):
    level = 0.3
    radius = (RADIUS + 2 - 4 * level) * STEP
    quantities = analysis.quantities(ball(), level)
    vertices, faces, _ = mesh(quantities, "phase", Cut(normal, position)).data
    height = from_centre(vertices, quantities) @ np.array(normal) / np.linalg.norm(normal)
    assert height.max() <= position + 1e-3
    on_plane = np.abs(height - position) < 1e-3
    flat = on_plane[faces].all(axis=1)
    disc, _ = area_and_volume(vertices, faces[flat])
    rim = np.sqrt(radius**2 - position**2)
    # but for a chamfer of about a voxel at the rim
    assert rim - 1.5 * STEP < np.sqrt(disc / np.pi) < rim + 0.1 * STEP
    _, volume = area_and_volume(vertices - vertices.mean(axis=0), faces)
    cap = np.pi * (2 * radius**3 / 3 + radius**2 * position - position**3 / 3)
    assert volume == pytest.approx(cap, rel=0.05)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all(), "the mesh is not closed"


def test_the_face_of_a_cut_shows_the_inside_bare(result):
    result.set_colour_by("amplitude")
    surface = result.layer("isosurface")
    outside = surface.vertex_values.copy()
    result.set_clipping(Cut((1, 0, 0), 2.0))
    on_plane = np.abs(outward(result)[:, 0] - 2.0) < 1e-3
    deep = on_plane & (radii(result) < (RADIUS - 3) * STEP)
    assert deep.sum() > 50
    np.testing.assert_allclose(surface.vertex_values[deep], 1, atol=0.03)
    assert outside.max() < 0.75
    assert (surface.texcoords[deep, 0] > 0.99).all()
    result.set_clipping(None)
    np.testing.assert_array_equal(surface.vertex_values, outside)


# -- two and three dimensions


def visible(viewer):
    return [layer.name.split()[-1] for layer in viewer.layers if layer.visible]


def test_slices_in_2d_the_isosurface_in_3d(viewer, result):
    assert visible(viewer) == ["isosurface"]
    viewer.dims.ndisplay = 2
    assert visible(viewer) == ["slices"]
    result.set_colour_by("strain")
    assert visible(viewer) == ["slices"]
    np.testing.assert_array_equal(result.layer("slices").data, result.quantities.strain)
    viewer.dims.ndisplay = 3
    assert visible(viewer) == ["isosurface"]


def test_scale_bar_axes_and_colour_bars_are_on(viewer, result):
    assert all(around.visible for around in compat.surroundings(viewer))
    assert result.layer("isosurface").colorbar.visible
    # napari draws the bars of hidden layers too
    assert not any(layer.colorbar.visible for layer in viewer.layers if not layer.visible)
    viewer.dims.ndisplay = 2
    assert result.layer("slices").colorbar.visible
    viewer.dims.ndisplay = 3
    assert compat.text(viewer).text == "ball · 1   phase (rad)   amplitude ≥ 0.30"
    result.set_colour_by("strain")
    result.set_range((-0.0013, 0.0013))
    said = "   ".join(compat.text(viewer).text.splitlines())
    assert said == "ball · 1   strain, relative to the mean ± 0.0013   amplitude ≥ 0.30"
    result.set_colour_by("displacement")
    assert f"displacement (pm), relative to the mean ± {result.limits[1]:.2g}" in compat.text(viewer).text
    result.set_colour_by("strain")


# -- layers come and go


@pytest.mark.parametrize("role", layers.ROLES)
def test_a_deleted_layer_is_simply_no_longer_updated(viewer, result, slices, role):
    viewer.layers.remove(result.layer(role))
    assert result.layer(role) is None
    result.set_threshold(0.6)
    result.set_colour_by("strain")
    result.set_range((-0.1, 0.1))
    result.set_clipping(Cut((0, 0, 1), 0.0))
    viewer.dims.ndisplay = 2
    result.frame()
    assert result.alive
    assert layers.results(viewer) == [result]
    assert len(result.layers) == 1


def test_a_result_dies_with_its_last_layer(viewer, result):
    viewer.layers.clear()
    assert not result.alive
    assert layers.results(viewer) == []
    result.set_threshold(0.5)
    result.show()


def test_renamed_and_reordered_layers_are_still_the_result(viewer, result, slices):
    slices.name = "mine"
    viewer.layers.move(0, 2)
    result.set_threshold(0.7)
    np.testing.assert_array_equal(np.isfinite(slices.data), result.quantities.support)
    assert layers.results(viewer) == [result]


def test_a_copy_of_a_layer_is_no_result_and_is_left_alone(viewer, result, slices):
    data, state, kind = slices.as_layer_data_tuple()
    copy = viewer.add_layer(Layer.create(data.copy(), {**state, "name": "copy"}, kind))
    result.set_threshold(0.8)
    assert layers.results(viewer) == [result]
    assert np.isfinite(copy.data).sum() > np.isfinite(slices.data).sum()


def test_a_new_result_hides_the_one_before_and_leaves_the_camera(viewer, result):
    compat.camera(viewer).angles = (10, 20, 30)
    angles = compat.camera(viewer).angles
    second = layers.add_reconstruction(viewer, ball(name="other"), group=2)
    assert visible(viewer) == ["isosurface"]
    assert second.layer("isosurface").visible
    assert compat.camera(viewer).angles == angles
    result.show()
    assert result.layer("isosurface").visible
    assert not second.layer("isosurface").visible
    assert layers.results(viewer) == [result, second]


def test_another_drawing_takes_over_the_layers_and_the_look(viewer, result):
    result.set_threshold(0.5)
    result.set_colour_by("strain")
    result.set_range((-0.01, 0.01))
    result.set_relief(False)
    result.set_clipping(Cut((0, 0, 1), 3.0))
    viewer.dims.ndisplay = 2
    viewer.dims.ndisplay = 3
    before = list(viewer.layers)
    before[0].name = "mine"
    smaller = ball(name="other", size=28)
    for _ in layers.redraw(result, draw(smaller)):
        pass
    assert list(viewer.layers) == before
    assert layers.results(viewer) == [result]
    assert result.reconstruction is smaller
    assert (result.threshold, result.colour_by) == (0.5, "strain")
    assert result.ranges == {"strain": (-0.01, 0.01)}
    assert (result.relief, result.cut) == (False, Cut((0, 0, 1), 3.0))
    assert outward(result)[:, 2].max() <= 3.0 + 1e-3
    assert tuple(result.layer("isosurface").contrast_limits) == (-0.01, 0.01)
    assert [layer.name for layer in viewer.layers] == ["mine", "other · 1 isosurface"]
    layer = result.layer("slices")
    assert layer.metadata[layers.RECONSTRUCTION] is smaller
    centre = np.array(layer.data.shape) // 2
    assert tuple(centre) == (13, 13, 13)
    np.testing.assert_allclose(layer.data_to_world(centre), 0, atol=1e-9)


def test_layers_from_a_reader_become_a_result_while_they_arrive(viewer):
    seen = []
    session_of(viewer).results_changed.connect(lambda: seen.append(layers.results(viewer)))
    for data in layers.reconstruction_layer_data(ball()):
        viewer.add_layer(Layer.create(*data))
    (result,) = layers.results(viewer)
    assert seen == [[result]]
    assert len(result.layers) == 1
    assert viewer.dims.ndisplay == 3
    assert visible(viewer) == ["isosurface"]
    result.set_threshold(0.5)
    np.testing.assert_allclose(radii(result), (RADIUS + 2 - 2) * STEP, atol=0.12 * STEP)


def test_two_files_opened_at_once_become_two_results(viewer):
    session_of(viewer)
    for name in ("one", "two"):
        for data in layers.reconstruction_layer_data(ball(name=name)):
            viewer.add_layer(Layer.create(*data))
    assert [result.title for result in layers.results(viewer)] == ["one · 1", "two · 2"]
    assert visible(viewer) == ["isosurface"]


def test_a_viewer_is_not_kept_alive():
    def use():
        viewer = ViewerModel()
        layers.add_reconstruction(viewer, ball(), group=1)
        return weakref.ref(viewer)

    gone = use()
    gc.collect()
    assert gone() is None


# -- scans


def test_a_scan_is_shown_on_a_log_scale_at_its_brightest_frame(viewer):
    scan = make_scan(size=24)
    session_of(viewer).add_scan(scan)
    (layer,) = viewer.layers
    assert layer.data.dtype == np.float32
    np.testing.assert_allclose(10.0 ** layer.data.astype(float) - 1, scan.counts, rtol=1e-5, atol=1e-5)
    assert layer.metadata[layers.SCAN] is scan
    assert layer.name == scan.name
    assert viewer.dims.current_step[0] == np.unravel_index(scan.counts.argmax(), scan.shape)[0]


def test_what_is_not_believed_is_not_shown():
    """Flags and masked voxels set no contrast: the limits are those of the light."""
    counts = np.random.default_rng(1).poisson(50, (16, 16, 16)).astype(np.uint32)
    mask = np.zeros(counts.shape, bool)
    flagged = counts.copy()
    flagged[:, 3] = 2**32 - 1
    mask[:, 5], flagged[:, 5] = True, 9000
    shown, options, _ = layers.scan_layer_data(Scan.from_array(flagged, mask=mask))
    seen = np.delete(counts, [3, 5], axis=1)
    assert options["contrast_limits"] == pytest.approx((0, np.log10(1 + seen.max())))
    np.testing.assert_allclose(np.delete(shown, [3, 5], axis=1), np.log10(1 + seen), rtol=1e-5)
    assert not shown[:, [3, 5]].any()


def test_colours_that_a_person_has_chosen_in_napari_stay(viewer, result, slices):
    viewer.dims.ndisplay = 3
    surface = result.layer("isosurface")
    surface.colormap, surface.contrast_limits = "gray", (-1.0, 1.0)
    result.set_threshold(0.4)
    assert (surface.colormap.name, tuple(surface.contrast_limits)) == ("gray", (-1.0, 1.0))
    result.set_colour_by("strain")
    assert surface.colormap.name == "autophase signed"
    reach = result.quantities.strain_limit
    assert surface.contrast_limits == pytest.approx((-reach, reach))
    viewer.dims.ndisplay = 2
    slices.contrast_limits = (-1e-3, 2e-3)
    result.set_threshold(0.5)
    assert slices.contrast_limits == pytest.approx((-1e-3, 2e-3))
    viewer.dims.ndisplay = 3
    assert surface.contrast_limits == pytest.approx((-1e-3, 2e-3)), "the surface shows the same quantity"
    assert "strain, relative to the mean -0.001 to 0.002" in compat.text(viewer).text
    result.set_range((-5e-4, 5e-4))  # which is asked for
    assert surface.contrast_limits == pytest.approx((-5e-4, 5e-4))
    assert slices.contrast_limits == pytest.approx((-5e-4, 5e-4))
    result.set_range(None)
    reach = result.quantities.strain_limit
    assert surface.contrast_limits == pytest.approx((-reach, reach)), "what nobody has changed follows"


def test_every_quantity_keeps_the_range_that_was_chosen_for_it(viewer, result, slices):
    chosen = {
        "phase": (-0.5, 1.0),
        "strain": (-1e-3, 1e-3),
        "displacement": (-7.0, 7.0),
        "amplitude": (0.2, 0.9),
    }
    for quantity, ends in chosen.items():
        result.set_colour_by(quantity)
        result.set_range(ends)
    for quantity, ends in chosen.items():
        result.set_colour_by(quantity)
        result.set_threshold(0.4)
        assert slices.contrast_limits == pytest.approx(ends)
        low, high = slices.contrast_limits_range
        assert low <= ends[0]
        assert high >= ends[1]
    result.set_colour_by("spacing")
    assert tuple(slices.contrast_limits) == result.usual_limits
    assert result.look.ranges == chosen


def test_slices_begin_in_the_middle_of_the_crystal_and_tell_their_values(viewer, result):
    viewer.layers.selection = {result.layer("isosurface")}
    viewer.dims.ndisplay = 2
    result.frame()
    low, high = result.extent(0)
    step = result.quantities.voxel_size[0]
    assert viewer.dims.point[0] == pytest.approx((low + high) / 2, abs=step)
    assert viewer.layers.selection == {result.seen_layer}
    other = viewer.add_points(np.zeros((1, 3)))
    viewer.dims.ndisplay = 3
    assert viewer.layers.selection == {other}, "what a person has selected stays"


def said_at(layer, position, shown=(0, 1, 2)):
    return layer.get_status(
        position, view_direction=np.array([-1.0, 0.0, 0.0]), dims_displayed=list(shown), world=True
    )["value"]


def test_the_cursor_tells_the_quantity_in_its_unit(viewer, result, slices):
    viewer.dims.set_point(0, 0.0)
    middle = np.array(slices.data.shape) // 2
    for quantity, unit, factor in (("phase", "rad", 1), ("displacement", "pm", 1), ("spacing", "nm", 1)):
        result.set_colour_by(quantity)
        text = said_at(slices, (0.0, 0.0, 0.0), (1, 2))
        assert text.endswith(unit), text
        value = float(text.split()[-2])
        assert value == pytest.approx(factor * slices.data[tuple(middle)], abs=0.05)
    assert said_at(slices, (0.0, 500.0, 0.0), (1, 2)) == "", "there is nothing"
    viewer.dims.ndisplay = 3
    result.set_colour_by("phase")
    # along z through the middle of the ball: a phase, and no vertex's number
    text = said_at(result.layer("isosurface"), (200.0, 0.5, 0.5))
    assert text.startswith("phase ")
    assert text.endswith(" rad")


def test_the_cursor_tells_counts_on_the_diffraction(viewer):
    scan = make_scan(size=24)
    session_of(viewer).add_scan(scan)
    brightest = np.unravel_index(scan.counts.argmax(), scan.shape)
    assert said_at(viewer.layers[0], brightest, (1, 2)) == f"{scan.counts.max():.6g} counts"


def test_whole_counts_are_said_whole_however_logarithms_are_rounded():
    for number in (1, 7, 999, 9930, 9931, 65535, 99_999):
        exact = np.float32(np.log10(1 + number))
        for value in (exact, np.nextafter(exact, np.float32(0)), np.nextafter(exact, np.float32(9))):
            assert readout.counts(float(value)) == f"{number} counts"
    assert readout.counts(np.log10(1 + 2.5)) == "2.5 counts"


def test_the_caption_keeps_clear_of_the_colour_bar(viewer, result, monkeypatch):
    monkeypatch.setattr(compat, "canvas_size", lambda viewer: (400, 460))
    result.set_colour_by("strain")
    assert compat.text(viewer).text.splitlines() == [
        result.title,
        f"strain, relative to the mean ± {result.quantities.strain_limit:.2g}",
        f"amplitude ≥ {result.threshold:.2f}",
    ]
    monkeypatch.setattr(compat, "canvas_size", lambda viewer: (800, 900))
    result.set_threshold(0.4)
    assert len(compat.text(viewer).text.splitlines()) == 1


def test_the_caption_is_broken_where_the_canvas_is_narrow_and_follows_its_size(viewer, result):
    text = compat.text(viewer)
    viewer.canvas.size = (600, 1200)
    result.set_colour_by("strain")
    whole = text.text
    assert len(whole.splitlines()) == 1
    viewer.canvas.size = (400, 280)
    assert text.text.split() == whole.split()
    assert f"± {result.quantities.strain_limit:.2g}" in text.text, "which stays together"
    assert max(map(len, text.text.splitlines())) * 9 <= 280 - 110, "the colour bar begins there"
    viewer.canvas.size = (400, 240)
    assert f"≥ {result.threshold:.2f}" in text.text.splitlines(), "a line is too short for the word before it"
    viewer.canvas.size = (600, 1200)
    assert text.text == whole
    text.text = "mine"
    viewer.canvas.size = (400, 280)
    assert text.text == "mine"


def test_the_caption_says_amplitude_once(viewer, result):
    result.set_colour_by("amplitude")
    assert compat.text(viewer).text == f"{result.title}   amplitude ≥ {result.threshold:.2f}"
