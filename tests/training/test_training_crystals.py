"""Simulated crystals have the shapes, phases and measurements that their population says."""

import math

import numpy as np
import pytest
import torch
from pydantic import BaseModel, ValidationError

from napari_autophase.network.physics import propagate
from napari_autophase.scan import InputError
from napari_autophase.training import crystals, detector, fields, losses, shapes
from napari_autophase.training.population import Population

CLEAN = {"gaps": 0.0, "hot_pixels": 0.0, "background": 0.0, "partially_coherent": 0.0}
PLAIN = {"winterbottom": 0.0, "cut_twins": 0.0, "twins": 0.0, "rods": 0.0, "platelets": 0.0}


def batch(purpose="train", seed=0, step=0, size=4, **changes):
    return crystals.simulate(size, crystals.stream(purpose, seed, step), Population(**changes))


def drawn(size=24, seed=0, **shares):
    return shapes.draw(size, crystals.stream("train", seed, 0), Population(**{**PLAIN, **shares}))


def widths(inside):
    """Return the number of lit planes along each axis (B, 3), and the middle of the lit range."""
    lit = [inside.any(dim=tuple(d for d in (1, 2, 3) if d != k)) for k in (1, 2, 3)]
    first = torch.stack([one.int().argmax(1) for one in lit], 1)
    last = torch.stack([31 - one.flip(1).int().argmax(1) for one in lit], 1)
    return last - first + 1, (first + last) / 2


def hollows(depth):
    """Return how many of the points halfway between two voxels of a crystal lie more than a voxel outside it."""
    points = torch.nonzero(depth < 0)
    pairs = torch.randint(len(points), (2, 20000), generator=torch.Generator().manual_seed(0))
    middle = (points[pairs[0]] + points[pairs[1]]) // 2
    return int((depth[tuple(middle.T)] > 1).sum())


# streams


def test_batches_repeat_and_never_meet():
    one, again = batch(), batch()
    assert torch.equal(one.counts, again.counts)
    assert torch.equal(one.objects, again.objects)
    for other in (batch("validation"), batch("test"), batch(seed=1), batch(step=1)):
        assert not torch.equal(one.objects, other.objects)


def test_streams_of_different_purposes_are_disjoint_in_the_bits_that_count():
    assert torch.rand(1, generator=torch.Generator().manual_seed(5)) == torch.rand(
        1, generator=torch.Generator().manual_seed(5 + 2**32)
    )  # why 32 bits matter
    used = {
        purpose: [
            crystals.stream(purpose, seed, step).initial_seed() % 2**32
            for seed in (0, 1, 2, 1_000_003, 2_000_006)
            for step in range(200)
        ]
        for purpose in crystals.PURPOSES
    }
    assert sum(len(set(seeds)) for seeds in used.values()) == 3 * 1000
    assert len(set().union(*used.values())) == 3 * 1000
    with pytest.raises(InputError, match="train, validation, test"):
        crystals.stream("training", 0, 0)


# shapes


def test_crystals_have_the_extents_drawn_for_each_axis_and_stand_in_the_middle():
    found, middle = widths(drawn(size=96, extent=(16.0, 30.0)).depth < 0)
    assert found.max() <= 31
    assert found.float().quantile(0.05) >= 14  # a corner thinner than a voxel is lost
    assert (found >= 27).any(0).all()
    assert (found <= 18).any(0).all()
    assert (middle - 16).abs().median() <= 0.5
    assert (middle - 16).abs().max() <= 2
    shared = torch.corrcoef(found.T.float()) - torch.eye(3)
    assert shared.abs().max() < 0.35


def test_objects_leave_the_first_planes_free():
    objects = batch(size=8, extent=(30.0, 30.0)).objects
    for axis in (1, 2, 3):
        assert objects.select(axis, 0).abs().max() == 0
    assert objects.abs().amax((1, 2, 3)).min() > 0.9


def test_plain_crystals_are_convex_and_their_facets_flat():
    for depth in drawn().depth:
        assert hollows(depth) == 0
        slope = torch.stack(torch.gradient(depth))[:, 1:-1, 1:-1, 1:-1]
        inside = depth[1:-1, 1:-1, 1:-1] < 0
        steepness = slope.norm(dim=0)[inside]
        assert ((steepness - 1).abs() < 1e-3).float().mean() > 0.3  # depth is a distance ...
        bend = torch.stack([torch.gradient(s)[k] for k, s in enumerate(slope)]).abs().sum(0)
        assert (bend[inside] < 1e-4).float().mean() > 0.1  # ... to planes (around a sphere: 0)


def test_depth_is_that_below_the_facets():
    found = drawn(size=3)
    axis = np.arange(32) - 16.0
    r = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    for depth, normals, distance in zip(found.depth, found.normals, found.distance, strict=True):
        np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, rtol=1e-5)
        expected = (r @ normals.numpy().T - distance.numpy()).max(-1)
        np.testing.assert_allclose(depth, expected, atol=1e-4)


@pytest.mark.parametrize("share", ["winterbottom", "cut_twins"])
def test_a_crystal_on_a_substrate_or_cut_at_its_twin_ends_in_a_plane_near_its_middle(share):
    found = drawn(**{share: 1.0})
    axis = torch.arange(32.0) - 16
    r = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    base, top = [], []
    for depth, normals in zip(found.depth, found.normals, strict=True):
        assert hollows(depth) == 0
        height = (r @ normals[-1])[depth < 0]
        layers = torch.histc(height, 20).clamp_min(1)
        base.append(float(layers[-3:].max() / layers.max()))
        top.append(float(layers[:3].max() / layers.max()))
    assert np.median(base) > 0.75  # nearly the widest section lies on the plane
    assert np.median(top) < 0.6


def test_twins_are_two_polyhedra_with_hollow_edges():
    found = drawn(twins=1.0)
    assert (found.kind == shapes.TWIN).all()
    assert sum(hollows(depth) > 20 for depth in found.depth) > 12
    alone = drawn(size=6, twins=1.0)
    axis = torch.arange(32.0) - 16
    r = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    for depth, normals, distance in zip(alone.depth, alone.normals, alone.distance, strict=True):
        one = (r @ normals.T - distance).amax(-1)
        assert (depth <= one + 1e-4).all()
        assert ((depth < 0) & (one > 1)).any()  # the other twin sticks out
        assert (depth < 0).sum() < 2.2 * (one < 0).sum()


def test_rods_are_long_platelets_flat_and_neither_too_thin():
    def spread(shares):
        """Return the crystals' full widths along their principal axes, short to long."""
        rows = []
        for depth in drawn(size=32, **shares).depth:
            points = torch.nonzero(depth < 0).float()
            along = (points - points.mean(0)) @ torch.linalg.eigh(torch.cov(points.T))[1]
            rows.append(along.amax(0) - along.amin(0) + 1)
        return torch.stack(rows)

    rod, platelet, plain = spread({"rods": 1.0}), spread({"platelets": 1.0}), spread({})
    assert (rod[:, 2] / rod[:, 1]).median() > 1.2 * (plain[:, 2] / plain[:, 1]).median()
    assert (platelet[:, 1] / platelet[:, 0]).median() > 1.2 * (plain[:, 1] / plain[:, 0]).median()
    assert min(rod.min(), platelet.min()) >= 5
    for share in ("rods", "platelets"):
        found, _ = widths(drawn(size=32, extent=(24.0, 24.0), **{share: 1.0}).depth < 0)
        assert found.amax(1).min() >= 22
        assert found.max() <= 25


def test_most_crystals_are_plain_and_the_others_as_many_as_asked():
    kinds = drawn(size=200, winterbottom=0.1, twins=0.2, platelets=0.15).kind
    share = torch.bincount(kinds, minlength=6) / 200
    expected = torch.tensor([0.1, 0, 0.2, 0, 0.15, 0.55])
    torch.testing.assert_close(share, expected, atol=0.08, rtol=0)


# fields


def test_phase_ranges_are_honoured():
    g, p = crystals.stream("train", 0, 0), Population(phase_range=9.0, dislocations=0.0, relaxed=0.5)
    found = shapes.draw(96, g, p)
    phase, wanted, core = fields.phases(g, p, found)
    inside = found.depth < 0
    low = torch.where(inside, phase, torch.inf).amin((1, 2, 3))
    high = torch.where(inside, phase, -torch.inf).amax((1, 2, 3))
    torch.testing.assert_close(high - low, wanted, rtol=1e-4, atol=1e-4)
    assert wanted.max() <= 9
    assert wanted.min() < 0.1
    assert wanted.median() == pytest.approx(9 * 0.5**1.5, rel=0.35)
    assert core.min() == 1


def test_correlated_fields_have_unit_variance_and_the_features_asked_for():
    g = torch.Generator().manual_seed(0)
    coarse, fine = fields.correlated(g, 64, 3), fields.correlated(g, 64, 8)
    for field in (coarse, fine):
        assert field.var() == pytest.approx(1, abs=0.1)
    rough = [torch.diff(field, dim=1).square().mean() for field in (coarse, fine)]
    assert rough[1] > 4 * rough[0]


def test_facets_relax_near_the_surface_only():
    p = Population(**PLAIN, relaxation_depth=(1.5, 1.5), extent=(26.0, 30.0))
    g = crystals.stream("train", 0, 0)
    found = shapes.draw(16, g, p)
    u = fields.relaxation(g, p, found).abs()
    skin, bulk = (found.depth < 0) & (found.depth > -1), found.depth < -6
    assert u[skin].mean() > 10 * u[bulk].mean()
    below = torch.tensor([u[(found.depth < -d) & (found.depth > -d - 0.5)].mean() for d in (0.5, 2.0)])
    assert below[0] / below[1] == pytest.approx(math.e, rel=0.25)  # 1/e in 1.5 voxels


def test_relaxation_reaches_the_crystals():
    same = {"phase_range": 6.0, "phase_skew": 0.0, "dislocations": 0.0, "relaxation_depth": (1.0, 1.5)}

    def bulk_share(relaxed):
        g, p = crystals.stream("train", 0, 0), Population(**PLAIN, **same, relaxed=relaxed)
        found = shapes.draw(32, g, p)
        phase = fields.phases(g, p, found)[0]
        return torch.stack([x[d < -3].std() for x, d in zip(phase, found.depth, strict=True)]).mean()

    assert bulk_share(1.0) < 0.85 * bulk_share(0.0)


def test_the_phase_winds_once_around_dislocations():
    phase, core = fields.dislocations(crystals.stream("train", 0, 0), Population(dislocations=1.0), 12)
    angle = phase.double()
    for one, amplitude in zip(angle, core, strict=True):
        turns, cores = set(), []
        for a, b in ((0, 1), (1, 2), (0, 2)):
            steps = [one.diff(dim=a), one.diff(dim=b)]
            steps = [(s + math.pi) % (2 * math.pi) - math.pi for s in steps]
            ahead, across = steps[0], steps[1]
            loop = (
                ahead.narrow(b, 0, 31)
                + across.narrow(a, 1, 31)
                - ahead.narrow(b, 1, 31)
                - across.narrow(a, 0, 31)
            ) / (2 * math.pi)
            turns |= set(loop.round().int().unique().tolist())
            at = torch.nonzero(loop.round())
            cores += [float(amplitude[tuple(row)]) for row in at]
        assert turns - {0}
        assert turns <= {-1, 0, 1}
        assert len(cores) >= 20  # lines, not points
        assert np.median(cores) < 0.9
        assert amplitude.min() >= 0.3
    clean, whole = fields.dislocations(crystals.stream("train", 0, 0), Population(dislocations=0.0), 4)
    assert clean.abs().max() == 0
    assert whole.min() == 1


# the detector


def test_the_bragg_peak_stands_in_the_middle_and_has_the_counts_asked_for():
    drawn = batch(size=8, log10_peak=(5.0, 5.0), off_centre=0.0, **CLEAN)
    for counts in drawn.counts:
        assert counts.max() == pytest.approx(1e5, rel=0.05)
        peak = torch.stack(torch.unravel_index(counts.argmax(), counts.shape))
        assert (peak - 32).abs().max() <= 1  # the blurred maximum is centred
    peaks = batch(size=24, log10_peak=(3.0, 7.0), **CLEAN).counts.amax((1, 2, 3)).log10()
    assert peaks.min() < 4
    assert peaks.max() > 6


def test_counts_scatter_from_the_objects():
    drawn = batch(size=8, log10_peak=(7.0, 7.0), off_centre=1.0, **CLEAN)
    assert float(losses.chi2(drawn.objects, drawn.counts).max()) < 0.01
    assert float(losses.chi2(drawn.objects.roll(1, 0), drawn.counts).min()) > 0.01


def test_noise_is_poisson_on_the_intensity():
    field = propagate(batch(size=1).objects)
    expected = field.abs().square()
    expected = expected / expected.max() * 1e4
    counts, good, *_ = detector.count(
        expected.repeat(30, 1, 1, 1),
        torch.Generator().manual_seed(0),
        Population(log10_peak=(4.0, 4.0), **CLEAN),
    )
    assert good.all()
    lit = expected[0] > 1
    mean, variance = counts.mean(0)[lit], counts.var(0)[lit]
    assert (mean / expected[0][lit]).mean() == pytest.approx(1, abs=0.01)
    assert (variance / expected[0][lit]).mean() == pytest.approx(1, abs=0.03)
    assert torch.equal(counts, counts.round())


def test_the_background_is_uniform_and_as_high_as_asked():
    dark = torch.zeros(3, 64, 64, 64)
    dark[:, 32, 32, 32] = 1
    p = Population(**{**CLEAN, "background": 1.0}, log10_background=(-1.0, -1.0))
    counts, *_ = detector.count(dark, torch.Generator().manual_seed(0), p)
    for corner in (counts[:, :16], counts[:, -16:], counts[..., :16], counts[..., -16:]):
        assert corner.mean() == pytest.approx(0.1, rel=0.03)


def test_partial_coherence_multiplies_the_autocorrelation_by_a_gaussian():
    intensity = propagate(batch(size=2, **CLEAN).objects).abs().square()
    length = torch.tensor([[20.0, 30.0, 45.0], [60.0, 25.0, 40.0]])
    blurred = detector.lose_coherence(intensity, length)
    lag = np.fft.fftfreq(64, 1 / 64)
    for before, after, (a, b, c) in zip(
        intensity.double().numpy(), blurred.double().numpy(), length.numpy(), strict=True
    ):
        r = (lag[:, None, None] / a) ** 2 + (lag[:, None] / b) ** 2 + (lag / c) ** 2
        found, expected = np.fft.ifftn(after), np.fft.ifftn(before) * np.exp(-r / 2)
        assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)
        assert after.sum() == pytest.approx(before.sum(), rel=1e-4)
        assert after.max() < before.max()
    # fringes of a slab: their dark lines fill in
    slab = torch.zeros(1, 32, 32, 32, dtype=torch.complex64)
    slab[:, 8:24, 8:24, 8:24] = 1
    fringes = propagate(slab).abs().square()
    washed = detector.lose_coherence(fringes, torch.full((1, 3), 20.0))
    dark = fringes[0, :, 32, 32] < 1e-3
    assert dark.any()
    assert (washed[0, :, 32, 32][dark] > 1).all()


def test_partial_coherence_reaches_the_counts():
    sharp, soft = (
        batch(
            size=4,
            phase_range=0.0,
            texture=0.0,
            dislocations=0.0,
            log10_peak=(7.0, 7.0),
            **{**CLEAN, "partially_coherent": share},
            coherence_length=(20.0, 20.0),
        )
        for share in (0.0, 1.0)
    )
    assert float(losses.chi2(sharp.objects, sharp.counts).max()) < 1e-3
    assert float(losses.chi2(soft.objects, soft.counts).min()) > 1e-3


def test_hot_pixels_are_masked_filled_in_or_missed():
    dark = torch.zeros(40, 64, 64, 64)
    dark[:, 32, 32, 32] = 1
    p = Population(**{**CLEAN, "hot_pixels": 1.0}, log10_peak=(5.0, 5.0))
    counts, good, *_ = detector.count(dark, torch.Generator().manual_seed(0), p)
    assert good[:, :, 28:37, 28:37].all()
    masked = (~good).sum(1)  # per pixel of the detector: in how many frames
    assert set(masked.unique().tolist()) == {0, 1, 64}
    missed = torch.nonzero(counts * (dark == 0))
    assert 0 < len(missed) < 40 * 3
    assert all(10 <= float(counts[tuple(at)]) <= 1e5 * 10**-1.5 for at in missed)


def test_gaps_run_along_rows_or_columns_and_spare_the_peak():
    dark = torch.zeros(60, 64, 64, 64)
    dark[:, 32, 32, 32] = 1
    p = Population(**{**CLEAN, "gaps": 1.0})
    _, good, *_ = detector.count(dark, torch.Generator().manual_seed(0), p)
    assert torch.equal(good, good[:, :1].expand_as(good))  # in all frames
    assert good[:, :, 31:34, 31:34].all()
    rows, columns = ~good[:, 0].any(2), ~good[:, 0].any(1)
    for gap in (rows.sum(1), columns.sum(1)):
        assert set(gap.tolist()) == {0, 1, 2, 3}
    assert not (rows.any(1) & columns.any(1)).any()


def test_peaks_miss_the_middle_of_their_voxel():
    flat = batch(size=12, phase_range=0.0, dislocations=0.0).objects
    flat = flat.abs().to(torch.complex64)
    p = {**CLEAN, "off_centre": 0.0}

    def shift(**changes):
        """Return the moves of the patterns in voxels, from the linear phases given to the crystals."""
        _, moved = detector.measure(flat, torch.Generator().manual_seed(0), Population(**p, **changes))
        steps = []
        for axis in (1, 2, 3):
            here, there = moved.narrow(axis, 0, 31), moved.narrow(axis, 1, 31)
            steps.append((here.conj() * there).sum((1, 2, 3)).angle() * 64 / (2 * math.pi))
        return torch.stack(steps, 1)

    torch.testing.assert_close(shift(sub_voxel=0.0), torch.zeros(12, 3), atol=1e-3, rtol=0)
    moved = shift(sub_voxel=0.5)
    assert moved.abs().max() < 1  # a slanted peak's brightest voxel need not be the nearest
    assert (moved.abs() <= 0.501).float().mean() > 0.9
    assert moved.abs().mean() == pytest.approx(0.25, abs=0.08)


def test_inpainting_keeps_what_was_measured_and_fills_a_gap_smoothly():
    x = torch.linspace(-3, 3, 40)
    smooth = 100 * torch.exp(-(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2) / 4)
    good = torch.ones_like(smooth, dtype=torch.bool)
    good[:, 25:28] = False
    filled = crystals.inpaint(smooth * good, good)
    assert torch.equal(filled[good], smooth[good])
    error = (filled - smooth)[~good].norm() / smooth[~good].norm()
    assert error < 0.35  # zeros would give 1
    assert torch.equal(crystals.inpaint(smooth, torch.ones_like(good)), smooth)


def test_blur_is_the_binomial_kernel_and_keeps_what_is_uniform():
    point = torch.zeros(5, 5, 5)
    point[2, 2, 2] = 64
    line = torch.tensor([0.0, 1, 2, 1, 0])
    torch.testing.assert_close(crystals.blur(point), line[:, None, None] * line[:, None] * line)
    torch.testing.assert_close(crystals.blur(torch.ones(3, 4, 5)), torch.ones(3, 4, 5))


# the population


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"twins": 1.2}, "'twins' is a share"),
        ({"twins": 0.7, "rods": 0.7}, "add up to more than 1"),
        ({"extent": (20.0, 40.0)}, "'extent' is a range: give two numbers from 8 to 30"),
        ({"extent": (24.0, 20.0)}, "'extent' is a range"),
        ({"log10_peak": (5.0,)}, "'log10_peak' is a range"),
        ({"phase_range": -1.0}, "'phase_range' has to lie"),
        ({"sub_voxel": 0.7}, "'sub_voxel' has to lie between 0 and 0.5"),
    ],
)
def test_populations_that_cannot_be_drawn_are_refused(wrong, says):
    with pytest.raises(InputError, match=says):
        Population(**wrong)


def test_a_configuration_can_hold_a_population():
    class Document(BaseModel):
        population: Population

    read = Document.model_validate_json('{"population": {"twins": 0.3, "extent": [18, 28]}}').population
    assert read == Population(twins=0.3, extent=(18.0, 28.0))
    for wrong, says in (('{"twinz": 0.3}', "twinz"), ('{"twins": 3}', "'twins' is a share")):
        with pytest.raises(ValidationError, match=says):
            Document.model_validate_json(f'{{"population": {wrong}}}')
