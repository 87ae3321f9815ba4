"""Photons that are not the crystal's, against the Poisson likelihood written down and crystals that are known."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from phasing_crystals import crystal, field, finish, intensity, likeness

from napari_autophase import InputError, Recipe, formats, repeat, run
from napari_autophase.phasing import Blur, Diffraction, Starts, expected, refine
from napari_autophase.phasing.forward import Forward, Sharpening
from napari_autophase.phasing.iterations import relaxation
from napari_autophase.recipe import Refinement, ShrinkWrap
from napari_autophase.report.seen import Seen
from napari_autophase.runs import attempts
from napari_autophase.scan import fingerprint
from napari_autophase.simulation import simulate
from napari_autophase.simulation.measurement import blurred

SHAPE = (16, 14, 15)


@pytest.mark.parametrize("blur", [None, Blur((0.5, 0.3, 0.7))])
@pytest.mark.parametrize("far", [False, True])
def test_the_likelihood_follows_differences(far, blur):
    rng = np.random.default_rng(0)
    inside = np.zeros(SHAPE, bool)
    inside[5:12, 4:10, 5:11] = True
    background = rng.uniform(1, 4, SHAPE).astype(np.float32)
    counts, good = rng.poisson(6.0, SHAPE).astype(np.float32), rng.random(SHAPE) > 0.1
    data = Diffraction(counts, good, 0.0, bounded=True, background=background).explained(blur)
    start, way = (inside * (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)) * 0.12 for _ in range(2))

    def cost(step: float) -> float:
        q = np.abs(field(start + step * way)) ** 2
        if blur is not None:
            q = np.fft.fftshift(blur(torch.from_numpy(np.fft.ifftshift(q))).numpy())
        q = np.maximum(q, 0) + background
        each = 2 * q - 4 * np.sqrt(counts * (q + 0.1)) if far else q - counts * np.log(q + 0.1)
        # a pixel that is not good is at least as bright as it says, all told
        return float(each[good | (q < counts)].sum())

    objects, direction = (
        torch.from_numpy(np.fft.ifftshift(volume).astype(np.complex64)[None]) for volume in (start, way)
    )
    likelihood = data.backend.likelihood(objects, torch.ones(1, *SHAPE, dtype=torch.bool), data, 0.1)
    flags, along = torch.tensor([far]), likelihood.inside(direction)
    derivative, _ = likelihood.derivative(flags)
    slope, h = 2 * float((derivative.conj() * along).real.sum()), 1e-4
    assert slope == pytest.approx((cost(h) - cost(-h)) / (2 * h), rel=5e-3)
    likelihood.look_along(along)
    step = torch.tensor([0.2], dtype=torch.float64)
    first = float(likelihood.slope(step, flags)[0, 0])
    assert first == pytest.approx((cost(0.2 + h) - cost(0.2 - h)) / (2 * h), rel=5e-3)


def test_figures_are_of_the_light_on_its_background():
    truth = crystal((32, 32, 32), phase=1.0)
    light, background = intensity(truth, 1e5), np.linspace(2, 6, 32)[:, None, None] * np.ones((32, 32, 32))
    counts = np.random.default_rng(3).poisson(light + background).astype(np.float32)
    data = Diffraction(counts, background=background.astype(np.float32))
    scaled = truth * np.sqrt(1e5 / (np.abs(field(truth)) ** 2).max())
    one = torch.from_numpy(np.fft.ifftshift(scaled).astype(np.complex64))
    (found,) = data.backend.sums(one[None], data, deviances=True)

    free = np.fft.fftshift(data.is_held_out.numpy())
    expected = light + background
    deviance = expected - counts + np.where(counts > 0, counts * np.log(np.maximum(counts, 1) / expected), 0)
    assert found.held_out == pytest.approx(deviance[free].sum(), rel=1e-3)
    assert found.deviance == pytest.approx(deviance[~free].sum(), rel=1e-3)
    assert found.squared_error == pytest.approx(
        np.square(np.sqrt(expected) - np.sqrt(counts))[~free].sum(), rel=1e-3
    )
    # the scale is that of the crystal's own light: as good as right already
    assert found.overlap / found.power == pytest.approx(1, abs=0.02)
    blind = Diffraction(counts)
    assert blind.backend.sums(one[None], blind, deviances=True)[0].deviance > 3 * found.deviance


def test_the_counts_that_are_expected_are_those_of_blurred_light_on_the_background():
    truth, widths = crystal(SHAPE, phase=1.0), (0.6, 0.0, 0.4)
    background = np.random.default_rng(1).uniform(1, 4, SHAPE).astype(np.float32)
    light = np.abs(field(truth)) ** 2
    data = Diffraction(np.full(SHAPE, 9, np.float32), background=background)
    found = expected(truth.astype(np.complex64), data.explained(Blur(widths)))
    np.testing.assert_allclose(found, blurred(light, np.array(widths)) + background, rtol=2e-3, atol=1e-3)
    plain = expected(truth.astype(np.complex64), Diffraction(np.full(SHAPE, 9, np.float32)))
    np.testing.assert_allclose(plain, light, rtol=1e-3, atol=1e-3)


def test_bounds_and_unknown_pixels_stay_what_they_are():
    counts = np.full((16, 16, 16), 9.0, np.float32)
    good = np.ones(counts.shape, bool)
    good[:2], counts[0] = False, 0
    good[2], counts[2] = False, 3.0
    data = Diffraction(counts, good, 0.0, bounded=True, background=5.0)
    field_ = torch.full((1, 16, 16, 16), 0.5 + 0j, dtype=torch.complex64)
    projected = data.backend.iterations(  # one step without a support leaves the modulus that is aimed at
        torch.fft.ifftn(field_), torch.ones(1, 16, 16, 16, dtype=torch.bool), data, relaxation("ER")
    )
    projected.iterate(1)
    moduli = np.fft.fftshift(torch.fft.fftn(projected.objects[0]).abs().numpy())
    assert np.allclose(moduli[3:], 2, atol=1e-3)  # √(9 − 5)
    assert np.allclose(moduli[1], 2, atol=1e-3)  # at least 9 − 5 photons are the crystal's
    assert np.allclose(moduli[0], 0.5, atol=1e-3)  # nothing is known
    assert np.allclose(moduli[2], 0.5, atol=1e-3)  # a bound below the background says nothing


def test_what_projections_aim_at_is_the_step_that_raises_the_likelihood():
    rng = np.random.default_rng(5)
    light = torch.from_numpy(rng.exponential(3.0, (8, 8, 8)).astype(np.float32))
    counts = torch.from_numpy(rng.poisson(7.0, (8, 8, 8)).astype(np.float32))
    model = Forward(None, torch.tensor(4.0))
    aim = Sharpening(counts, torch.ones(8, 8, 8, dtype=torch.bool), model).renewed(light)
    assert torch.allclose(aim, light * counts / (light + 4))

    def cost(one: torch.Tensor) -> torch.Tensor:
        return one + 4 - counts * torch.log(one + 4)

    assert (cost(aim) <= cost(light) + 1e-5).all()


@pytest.mark.parametrize(
    ("algorithm", "backend"), [("40*ER", "torch"), ("40*ER", "compiled"), ("40*CG", "torch")]
)
def test_every_algorithm_goes_on_to_the_crystal(algorithm, backend):
    truth = crystal((32, 32, 32), phase=2.0)
    counts = np.random.default_rng(1).poisson(intensity(truth, 1e5) + 5).astype(np.float32)
    support = np.abs(truth) > 0.05 * np.abs(truth).max()
    rng = np.random.default_rng(2)
    start = truth * (1 + 0.3 * rng.normal(size=truth.shape)) * np.exp(0.4j * rng.normal(size=truth.shape))
    starts = Starts((start * support).astype(np.complex64)[None], support[None])
    plan = Refinement(algorithm=algorithm, shrink_wrap=ShrinkWrap(every=0), softness=0)
    plain, found = (
        finish(refine(Diffraction(counts, background=b, backend=backend), starts, plan, coherence="given"))[1]
        for b in (0.0, 5.0)
    )
    assert likeness(found.object, truth) > 0.985
    assert 1 - likeness(found.object, truth) < 0.6 * (1 - likeness(plain.object, truth))
    assert found.figures["free_llk"] < 0.7 * plain.figures["free_llk"]


def test_fast_finds_a_crystal_on_a_background_as_well_as_without(monkeypatch):
    truth = simulate(7, 64, kind="cut", peak=1e5, background=5.0, oversampling=(3.0, 3.0, 3.0))
    fast = Recipe.from_preset("fast")
    found = run(truth.scan, fast.with_settings({"model.background": "estimate"}))
    monkeypatch.setattr(attempts, "is_enough", lambda *_: True)  # what is found without is not phased again
    plain = run(truth.scan, fast.with_settings({"model.background": "off"}))
    # 0.965 to 0.975, as rounding has it
    assert likeness(found.object, truth.object) > 0.96 > 0.95 > likeness(plain.object, truth.object)
    assert found.background.kind == "flat"
    assert found.background.photons_per_voxel == pytest.approx(5, rel=0.05)
    assert found.figures["free_llk"] < 0.55 * plain.figures["free_llk"]
    assert found.report()["background"]["kind"] == "flat"
    assert plain.report()["background"] == {"kind": "off", "photons_per_voxel": 0.0}
    assert any("flat background of" in note for note in found.notes)


def test_fast_finds_a_crystal_on_a_background_that_is_not_the_same_everywhere(tmp_path):
    level = np.linspace(2, 10, 64)[:, None, None] * np.ones((64, 96, 64))
    truth = simulate(9_730_004, (64, 96, 64), phase_range=2.0, peak=1e5, background=level, kind="rod")
    found = run(truth.scan, Recipe.from_preset("fast"))
    assert likeness(found.object, truth.object) > 0.98  # with a flat one 0.912
    assert found.background.kind == found.report()["background"]["kind"] == "varying"
    assert found.background.photons_per_voxel == pytest.approx(6, rel=0.1)
    assert "change from frame to frame" in found.background.words
    found.save(tmp_path / "found.cxi")
    assert formats.read_reconstruction(tmp_path / "found.cxi").background == found.background
    # voxel by voxel, all that the report shows is photon noise: along the frames too
    unexplained = Seen.of(found, truth.scan).unexplained
    assert np.sqrt(np.nanmean(np.square(unexplained), (1, 2))) == pytest.approx(1.0, abs=0.12)


def test_a_background_that_cannot_be_told_is_called_undetermined(tmp_path):
    """The light of a small crystal fills its scan: a background below it is as likely as none."""
    filled = simulate(3, 32, peak=1e7, oversampling=(4.0, 4.0, 4.0)).scan
    empty = simulate(7, 32, peak=300.0, oversampling=(1.6, 1.6, 1.6)).scan
    quick = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "2*ER"})
    unknown, none = run(filled, quick), run(empty, quick)
    assert any("was not determined" in note for note in unknown.notes)
    assert unknown.background.kind == unknown.report()["background"]["kind"] == "undetermined"
    assert "undetermined" in unknown.background.words
    assert none.background.kind == "none"
    unknown.save(tmp_path / "found.cxi")
    assert formats.read_reconstruction(tmp_path / "found.cxi").background == unknown.background


def test_a_background_in_a_file_or_per_frame_is_used(tmp_path):
    level = np.linspace(1, 5, 32)
    truth = simulate(7, 32, peak=1e5, background=level[:, None, None])
    file = tmp_path / "background.npy"
    np.save(file, np.broadcast_to(level[:, None, None], (32, 32, 32)).astype(np.float32))
    recipe = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "4*ER"})
    framed = run(truth.scan, recipe.with_settings({"model.background": level.tolist()}))
    np.savetxt(tmp_path / "level.txt", level)
    texted = run(truth.scan, recipe.with_settings({"model.background": str(tmp_path / "level.txt")}))
    assert np.array_equal(texted.object, framed.object)
    assert texted.background.kind == "frames"
    filed = run(truth.scan, recipe.with_settings({"model.background": str(file)}))
    assert np.array_equal(framed.object, filed.object)
    assert (framed.background.kind, filed.background.kind) == ("frames", "volume")
    assert filed.background.photons_per_voxel == pytest.approx(3, rel=1e-3)
    assert filed.used_sha256["background"] == fingerprint(np.load(file))
    filed.save(tmp_path / "found.cxi")
    again = formats.read_reconstruction(tmp_path / "found.cxi")
    assert again.background == filed.background
    assert again.shells.document() == filed.shells.document() == filed.report()["shells"]
    assert again.shells.unit == "nm"
    assert "resolution" in filed.verdict
    with pytest.raises(InputError, match="nowhere"):
        run(truth.scan, recipe.with_settings({"model.background": "nowhere.npy"}))


@pytest.mark.parametrize(
    ("written", "value"), [("0.5", 0.5), ("1, 2", (1.0, 2.0)), ("off", "off"), ("b.npy", "b.npy"), (3, 3.0)]
)
def test_a_background_is_written_as_a_word_numbers_or_a_file(written, value):
    assert Recipe().with_settings({"model.background": written}).model.background == value


@pytest.mark.parametrize("wrong", [-1, [1.0, -2.0], "-1", None])
def test_a_background_that_means_nothing_is_refused(wrong):
    with pytest.raises(InputError, match="background"):
        Recipe().with_settings({"model.background": wrong})


@pytest.fixture
def measured(tmp_path):
    """A scan in a file, with a background of one photon a voxel, which another file holds."""
    formats.write_scan(simulate(7, 32, peak=1e5, background=1.0).scan, tmp_path / "scan.h5")
    np.save(tmp_path / "empty.npy", np.ones((32, 32, 32), np.float32))
    return tmp_path


def reconstructed(folder, background, **how):
    settings = {"refine.algorithm": "2*ER", "model.background": background}
    recipe = Recipe.from_preset("iterative").with_settings(settings)
    return run(formats.read_scan(folder / "scan.h5", **how), recipe)


def test_a_file_that_holds_the_same_everywhere_is_a_background_though_no_rocking_curve(measured):
    filed, told = (reconstructed(measured, what) for what in (str(measured / "empty.npy"), 1.0))
    np.testing.assert_allclose(filed.object, told.object, rtol=0, atol=1e-4 * np.abs(told.object).max())


def test_the_background_of_a_whole_scan_is_cut_as_the_scan_was(measured):
    rising = np.linspace(1, 2, 32)[:, None, None] * np.ones((32, 32, 32))
    np.save(measured / "rising.npy", rising)
    found = reconstructed(measured, str(measured / "rising.npy"), crop=(16, 24, 24))
    ((first, end), *_) = found.origin.box
    assert end - first == 16
    assert found.background.photons_per_voxel == pytest.approx(rising[first:end].mean(), rel=1e-3)


@pytest.mark.parametrize(
    ("value", "said"), [(-9.0, "must not be negative"), (np.nan, "must not be negative or infinite")]
)
def test_one_voxel_that_is_no_number_of_photons_is_refused(measured, value, said):
    volume = np.load(measured / "empty.npy")
    volume[3, 4, 5] = value
    np.save(measured / "odd.npy", volume)
    with pytest.raises(InputError, match=said):
        reconstructed(measured, str(measured / "odd.npy"))


def test_more_background_than_light_is_refused(measured):
    with pytest.raises(InputError, match=r"background of up to 1e\+09 photons a voxel leaves nothing"):
        reconstructed(measured, 1e9)


def test_a_result_is_repeated_with_the_background_it_had_or_not_at_all(measured, tmp_path_factory):
    reconstructed(measured, str(measured / "empty.npy")).save(measured / "found.cxi")
    again = repeat.repeat(repeat.record(measured / "found.cxi"))
    assert again.figures["repeat_correlation"] == 1
    # the folder was moved
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.move(measured, moved)
    assert repeat.repeat(repeat.record(moved / "found.cxi")).figures["repeat_correlation"] == 1
    np.save(moved / "empty.npy", np.full((32, 32, 32), 2, np.float32))
    with pytest.raises(InputError, match=r"empty\.npy is not the background that found\.cxi was made with"):
        repeat.repeat(repeat.record(moved / "found.cxi"))
    (moved / "empty.npy").unlink()
    with pytest.raises(InputError, match=r"empty\.npy, which found\.cxi was made from, is not there"):
        repeat.repeat(repeat.record(moved / "found.cxi"))
