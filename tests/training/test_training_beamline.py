"""What beamlines do to measurements, and what crystals can be besides faceted, is as the population says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group

from napari_autophase.network.physics import propagate
from napari_autophase.scan import InputError
from napari_autophase.training import beamline, crystals, detector, fields, interior, shapes
from napari_autophase.training.config import TrainingConfig
from napari_autophase.training.population import Population

CLEAN = {"gaps": 0.0, "hot_pixels": 0.0, "background": 0.0, "partially_coherent": 0.0}
MEASURED = dict.fromkeys(
    ("blurred", "drifting", "neighbours", "saturated", "peak_gaps", "background_known"), 1.0
)
MIDDLE = 32


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(size=2, step=0, **changes):
    return crystals.simulate(size, crystals.stream("train", 0, step), Population(**changes))


def few(voxels=40, seed=3):
    """Return an object of a few voxels near the middle, (1, 32, 32, 32)."""
    rng = np.random.default_rng(seed)
    found = np.zeros((32, 32, 32), np.complex64)
    where = rng.integers(11, 21, (3, voxels))
    found[tuple(where)] = rng.normal(size=voxels) + 1j * rng.normal(size=voxels)
    return torch.from_numpy(found)[None]


# streams


def test_the_same_seed_gives_the_same_crystal_and_measurement():
    one, again, other = batch(**MEASURED), batch(**MEASURED), batch(step=1, **MEASURED)
    assert torch.equal(one.objects, again.objects)
    assert torch.equal(one.counts, again.counts)
    assert not torch.equal(one.objects, other.objects)


def test_how_it_is_measured_changes_no_crystal():
    plain, measured = batch(), batch(**MEASURED)
    assert torch.equal(plain.objects, measured.objects)
    assert not torch.equal(plain.counts, measured.counts)


def test_the_configuration_for_measured_data_has_it_all_and_the_shipped_one_nothing_of_it():
    folder = detector.__file__.replace("detector.py", "configs/")
    measured = TrainingConfig.from_file(folder + "compact_measured.json").drawn()
    shipped = TrainingConfig.from_file(folder + "compact.json").drawn()
    for name in (*MEASURED, "rough", "hollow", "core_shell"):
        assert getattr(measured, name) > 0, name
        assert getattr(shipped, name) == 0, name
    assert shipped == Population(phase_range=shipped.phase_range)
    assert measured.log10_peak == (2.0, 7.0)
    drawn = crystals.simulate(2, crystals.stream("train", 0, 0), measured)
    assert drawn.counts.isfinite().all()
    assert drawn.counts.min() >= 0
    assert drawn.objects.isfinite().all()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"blurred": 1.5}, "'blurred' is a share"),
        ({"blur_px": (0.0, 9.0)}, "'blur_px' is a range"),
        ({"saturation": (0.5, 2.0)}, "'saturation' is a range"),
        ({"shell_amplitude": (0.2, 1.0)}, "'shell_amplitude' is a range"),
        ({"off_centre_voxels": 40}, "'off_centre_voxels' has to lie"),
        ({"mismatch": -1.0}, "'mismatch' has to lie"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, says):
    with pytest.raises(InputError, match=says):
        Population(**wrong)


# light


def test_a_blurred_pattern_is_the_convolution_summed_over_the_gaussian():
    """By Gauss and Hermite's quadrature of the pattern of few voxels, summed voxel by voxel at any q, along tilted axes."""
    found, axes = few(), ortho_group.rvs(3, random_state=1)
    width = np.array([1.0, 0.55, 0.1])
    covariance = torch.from_numpy(axes * width**2 @ axes.T).float()[None]
    blurred = beamline.blurred(propagate(found).abs().square(), covariance)[0].double().numpy()

    r = np.argwhere(found[0].numpy() != 0)
    rho = found[0].numpy()[tuple(r.T)]

    def intensity(q):
        phase = np.exp(-2j * np.pi / 64 * (q @ (r - 16).T))
        return np.abs(phase @ rho) ** 2

    nodes, weights = np.polynomial.hermite_e.hermegauss(13)
    grid = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), -1).reshape(-1, 3)
    weight = np.prod(np.meshgrid(weights, weights, weights, indexing="ij"), 0).ravel()
    weight /= weight.sum()
    steps = grid * width @ axes.T
    change = []
    for q in ((32, 32, 32), (30, 35, 32), (40, 21, 33), (12, 50, 45)):
        away = np.array(q) - MIDDLE
        expected = weight @ intensity(away - steps)
        assert blurred[q] == pytest.approx(expected, rel=2e-3)
        change.append(abs(float(intensity(away)) / expected - 1))
    assert max(change) > 0.02  # there was something to blur


def test_light_is_kept_by_a_blur():
    pattern = propagate(few()).abs().square()
    blurred = beamline.blurred(pattern, torch.eye(3)[None])
    assert float(blurred.sum()) == pytest.approx(float(pattern.sum()), rel=1e-4)
    torch.testing.assert_close(beamline.blurred(pattern, torch.zeros(1, 3, 3)), pattern, rtol=1e-3, atol=1e-2)


def test_frames_drift_by_their_way_and_the_middle_one_stays():
    at = torch.arange(64.0)
    spot = torch.exp(-((at[:, None] - 30) ** 2 + (at - 35) ** 2) / (2 * 3.0**2)) * 100
    frames = spot.expand(1, 64, 64, 64).contiguous()
    g = generator(4)
    moved = beamline.disturbed(frames.clone(), g, Population(drifting=1.0, drift_px=(0.6, 0.6)))[0]
    total = moved.sum((1, 2))
    torch.testing.assert_close(total, torch.full((64,), float(spot.sum())), rtol=1e-3, atol=0)
    row = (moved.sum(2) * at).sum(1) / total - 30
    column = (moved.sum(1) * at).sum(1) / total - 35
    way = torch.stack([row, column], 1)
    assert way[MIDDLE].abs().max() < 1e-3
    assert float(way.norm(dim=1).max()) == pytest.approx(0.6, abs=0.01)
    assert (way.diff(dim=0).norm(dim=1) > 0.005).float().mean() > 0.8  # one frame after the other

    known = torch.zeros(1, 64, 2)
    known[0, 10] = torch.tensor([2.0, -3.0])
    whole = beamline.drifted(frames, known)[0]
    torch.testing.assert_close(whole[10], spot.roll((2, -3), (0, 1)), atol=1e-3, rtol=0)
    torch.testing.assert_close(whole[11], spot, atol=1e-3, rtol=0)


def test_a_neighbour_adds_the_tail_of_its_own_pattern():
    first, other = (propagate(few(seed=seed)).abs().square() for seed in (1, 2))
    shift, share = torch.tensor([[35, -4, 9]]), torch.tensor([0.1])
    added = (beamline.beside(first, other, shift, share) - first)[0].numpy()
    expected = np.zeros((64, 64, 64))
    pattern = other[0].numpy() * 0.1 * float(first.max() / other.max())
    expected[35:, :60, 9:] = pattern[:29, 4:, :55]  # whatever would come round the other side is left out
    np.testing.assert_allclose(added, expected, rtol=1e-3, atol=1e-4 * pattern.max())


def test_neighbours_lie_where_they_are_drawn():
    flat = torch.zeros(24, 64, 64, 64)
    flat[:, MIDDLE, MIDDLE, MIDDLE] = 1
    p = Population(neighbours=1.0, neighbour_distance=(20.0, 31.0), log10_neighbour=(-1.0, -1.0))
    found = beamline.disturbed(flat, generator(), p)
    for pattern in found:
        peaks = torch.nonzero(pattern)
        assert len(peaks) == 2
        away = (peaks - MIDDLE).abs().amax(1)
        assert sorted(away.tolist())[0] == 0
        assert 20 <= int(away.max()) <= 31
        assert float(pattern.min()) == 0
        assert float(pattern[pattern > 0].min()) == pytest.approx(0.1)


# the detector


def counted(size=6, peak=5.0, **changes):
    p = Population(log10_peak=(peak, peak), **{**CLEAN, **changes})
    g = generator(1)
    _, light = detector.centre_peak(batch(size=size, dislocations=0.0).objects, g, p)
    return detector.count(light, g, p), g, p


def test_no_voxel_counts_more_than_a_saturated_detector_can():
    measured, _, _ = counted(saturated=1.0, saturation=(0.2, 0.5))
    for counts, good, missing in zip(measured.counts, measured.good, measured.missing, strict=True):
        limit = float(counts.max())
        assert 0.2e5 - 1 <= limit <= 0.5e5 + 1
        assert torch.equal(missing, counts == limit)  # and those alone are lost
        assert torch.equal(good, ~missing)
        assert missing[30:35, 30:35, 30:35].any()
        assert missing.sum() < 500


def test_a_gap_through_the_peak_hides_it():
    measured, _, _ = counted(peak_gaps=1.0)
    for counts, good in zip(measured.counts, measured.good, strict=True):
        assert not good[MIDDLE, MIDDLE - 3 : MIDDLE + 4, MIDDLE - 3 : MIDDLE + 4].all()
        assert counts[~good].max() == 0
        lines = {int((~good).sum()) // 64**2}  # whole rows or columns of the detector, in every frame
        assert lines <= {1, 2, 3, 4}


@pytest.mark.parametrize("how_far", [0.0, 1.0])
def test_what_the_peak_lacks_is_shown_completed(how_far):
    changes = {"saturated": 1.0, "saturation": (0.2, 0.3), "completion": (how_far, how_far)}
    measured, g, p = counted(size=2, **changes)
    filled = detector.inpaint(measured.counts, measured.good)
    shown = beamline.completed(filled.clone(), measured, g, p)
    there = measured.missing
    assert torch.equal(shown[~there], measured.counts[~there])
    assert (shown[there] >= measured.counts[there]).all()
    expected = measured.expected if how_far else filled
    torch.testing.assert_close(
        shown[there], expected[there].maximum(measured.counts[there]), rtol=1e-4, atol=1e-2
    )


def test_a_background_that_is_known_is_subtracted():
    measured, g, p = counted(size=3, background=1.0, log10_background=(1.0, 1.0), background_known=1.0)
    shown = beamline.completed(measured.counts.clone(), measured, g, p)
    torch.testing.assert_close(shown, (measured.counts - 10).clamp_min(0))
    dark = measured.expected < 10.01
    assert measured.counts[dark].mean() == pytest.approx(10, rel=0.02)


def test_a_peak_is_missed_by_as_many_voxels_as_asked():
    found = batch(size=16, off_centre=1.0, off_centre_voxels=3, log10_peak=(6.0, 6.0), **CLEAN).counts
    away = torch.stack([torch.stack(torch.unravel_index(c.argmax(), c.shape)) - MIDDLE for c in found]).abs()
    assert 2 <= int(away.max()) <= 4  # the brightest voxel lies beside the blurred maximum at times


# crystals


def whole(size=6, **changes):
    p = Population(**changes)
    return shapes.draw(size, generator(), Population(extent=(26.0, 28.0))).depth, p


def test_a_hollow_crystal_has_a_wall_around_a_void():
    depth, p = whole(hollow=1.0, wall=(4.0, 4.0))
    factor = interior.around_a_void(depth, generator(), p)
    assert (factor[depth < -5] < 0.05).all()
    assert (factor[(depth > -3) & (depth < 0)] > 0.95).all()
    assert (depth < -5).flatten(1).any(1).sum() >= 4  # a platelet is too thin for a void
    none = interior.around_a_void(depth, generator(), Population())
    assert none.min() == 1


def test_a_shell_has_another_amplitude_and_another_spacing():
    depth, p = whole(core_shell=1.0, shell=(4.0, 4.0), shell_amplitude=(0.7, 0.7), mismatch=0.5)
    factor, step = interior.core_shell(depth, generator(), p)
    core, shell = depth < -5.5, (depth > -2.5) & (depth < 0)
    torch.testing.assert_close(factor[core], torch.ones_like(factor[core]), atol=0.02, rtol=0)
    torch.testing.assert_close(factor[shell], torch.full_like(factor[shell], 0.7), atol=0.02, rtol=0)
    assert step[core].abs().max() == 0
    for one, inside, its in zip(step, shell, depth, strict=True):
        slope = one[inside] / (its[inside] + 4)
        assert float(slope.std()) < 1e-4
        assert 0 < abs(float(slope.mean())) <= 0.5
    factor, step = interior.core_shell(depth, generator(), Population(core_shell=0.0))
    assert (factor.min(), step.abs().max()) == (1, 0)


def test_a_rough_surface_has_hills_as_high_as_asked():
    depth, p = whole(size=8, rough=1.0, roughness=(1.0, 1.0))
    hills = interior.roughened(depth, generator(), p) - depth
    assert float(hills.std()) == pytest.approx(1.0, abs=0.1)
    assert abs(float(hills.mean())) < 0.1
    assert float(hills.diff(dim=1).std()) > 0.3  # within a few voxels
    objects = batch(size=8, rough=1.0, extent=(30.0, 30.0)).objects
    assert objects[:, 0].abs().max() == objects[:, :, 0].abs().max() == objects[:, :, :, 0].abs().max() == 0


def turns(square):
    """Return by how many turns a phase grows along the edge of a square."""
    edge = np.concatenate([square[0], square[1:, -1], square[-1, -2::-1], square[-2:0:-1, 0]])
    steps = np.diff(np.append(edge, edge[0]))
    return float(((steps + np.pi) % (2 * np.pi) - np.pi).sum() / (2 * np.pi))


def test_the_phase_grows_by_a_turn_on_a_burgers_circuit():
    """Far around a line, however it bends the phase near it: 2π around a screw as around an edge, and 0 beside it."""
    phase, core = fields.dislocations(generator(2), Population(dislocations=1.0), 24)
    far = []
    for one, amplitude in zip(phase.double().numpy(), core.numpy(), strict=True):
        for axis in range(3):
            sheet, untouched = one.take(16, axis), amplitude.take(16, axis) == 1
            found = turns(sheet[2:-2, 2:-2])
            assert found == pytest.approx(round(found), abs=1e-6)
            far.append(abs(round(found)))
            for corner in ((slice(0, 8), slice(0, 8)), (slice(24, 32), slice(24, 32))):
                if untouched[corner].all():  # no line ends there
                    assert turns(sheet[corner]) == pytest.approx(0, abs=1e-6)
    assert set(far) <= {0, 1, 2}
    assert far.count(1) >= 24
