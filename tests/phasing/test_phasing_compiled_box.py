"""An iteration in a box is an iteration: the same numbers for less work."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phasing_crystals import crystal, finish, photons

pytest.importorskip("numba")
from napari_autophase.phasing import (
    Diffraction,
    Starts,
    batch,
    chunk,
    projections,
    random_starts,
    refine,
)
from napari_autophase.phasing.backend import VARIABLE
from napari_autophase.phasing.compiled import box, descent, iterate, layout, threads
from napari_autophase.phasing.compiled.box import Box, SupportBox
from napari_autophase.phasing.compiled.layout import column_order
from napari_autophase.phasing.iterations import relaxation
from napari_autophase.recipe import Refinement, ShrinkWrap

FIXED = ShrinkWrap(every=0)


def problem(shape, widths, first, seed=0):
    """Return a random object in a box that may wrap around, its support and a modulus with free pixels, FFT order."""
    rng = np.random.default_rng(seed)
    inside = np.zeros(shape, bool)
    places = np.ix_(*((f + np.arange(b)) % n for f, b, n in zip(first, widths, shape, strict=True)))
    inside[places] = rng.random(widths) < 0.7
    inside[tuple(p.flat[0] for p in places)] = inside[tuple(p.flat[-1] for p in places)] = True
    found = (rng.normal(size=shape) + 1j * rng.normal(size=shape)) * inside
    modulus = rng.uniform(0, 60, shape).astype(np.float32)
    modulus[rng.random(shape) < 0.1] = -1
    return found.astype(np.complex64), inside, modulus


def project(found, inside, modulus, name="ER"):
    """One iteration in double precision, by NumPy's transforms; and the misfit before it."""
    field = np.fft.fftn(found.astype(complex))
    fitted = modulus >= 0
    misfit = ((np.abs(field) - modulus)[fitted] ** 2).sum()
    field[fitted] *= modulus[fitted] / np.abs(field[fitted])
    projected, rule = np.fft.ifftn(field), relaxation(name)
    if rule.uniform:
        amplitude = np.abs(projected[inside])
        projected[inside] *= np.sqrt((amplitude**2).mean()) / amplitude
    return np.where(inside, projected, rule.keep * found + rule.add * projected), misfit


@pytest.fixture(autouse=True, scope="module")
def nothing_depends_on_what_was_in_memory():
    def spoilt(size):
        numbers = aligned(size)
        numbers[:] = np.nan
        return numbers

    aligned = layout.aligned
    with pytest.MonkeyPatch.context() as patch:
        for module in (box, descent):
            patch.setattr(module, "aligned", spoilt)
        yield


def box_of(found, inside, modulus, confined=False):
    """Return a box that iterates `found` in place."""
    columns = column_order(modulus)
    return SupportBox(found, inside, columns) if confined else Box(found, inside, columns, found.shape)


SHAPES = st.tuples(*[st.integers(1, 26)] * 3)


@given(shape=SHAPES, name=st.sampled_from(["ER", "HIO", "RAAR"]), seed=st.integers(0, 1000))
@settings(max_examples=40)
def test_iterations_of_the_whole_volume_are_iterations(shape, name, seed):
    found, inside, modulus = problem(shape, shape, (0, 0, 0), seed)
    outside = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    found += outside * ~inside
    expected = found
    one = box_of(found, inside, modulus)
    for count in (1, 2):  # the second call goes on with the field that the first has left
        misfits = []
        for _ in range(count):
            expected, misfit = project(expected, inside, modulus, name)
            misfits.append(misfit)
        np.testing.assert_allclose(one.iterate(relaxation(name), count), misfits, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    if name == "ER":
        assert not found[~inside].any()


@given(
    shape=st.tuples(*[st.integers(9, 26)] * 3),
    widths=st.tuples(*[st.integers(1, 8)] * 3),
    first=st.tuples(*[st.integers(0, 25)] * 3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40)
def test_error_reduction_around_the_support_is_error_reduction(shape, widths, first, seed):
    found, inside, modulus = problem(shape, widths, first, seed)
    volume = found.copy()
    one = box_of(volume, inside, modulus, confined=True)
    misfits = []
    for _ in range(2):
        found, misfit = project(found, inside, modulus)
        misfits.append(misfit)
    np.testing.assert_allclose(one.iterate(relaxation("ER"), 2), misfits, rtol=1e-4)
    one.put()
    np.testing.assert_allclose(volume, found, atol=2e-5 * np.abs(found).max())
    assert not volume[~inside].any()


@pytest.mark.parametrize("name", ["HIO", "EHIO"])
def test_an_iteration_that_was_the_last_leaves_nothing_that_the_next_relies_on(name):
    found, inside, modulus = problem((20, 19, 18), (6, 7, 8), (1, 2, 3))
    through, paused = found.copy(), found.copy()
    one, other = (box_of(volume, inside, modulus) for volume in (through, paused))
    for i in range(4):
        assert one.iterate(relaxation(name)) == other.iterate(relaxation(name), again=i % 2 == 0)
        np.testing.assert_array_equal(through, paused)
    paused *= 2  # as between runs
    other.iterate(relaxation(name), again=False)
    afresh = 2 * through
    box_of(afresh, inside, modulus).iterate(relaxation(name))
    np.testing.assert_array_equal(paused, afresh)


@pytest.mark.parametrize("shape", [(20, 19, 18), (9, 8, 16), (8, 5, 3)])
def test_an_even_iteration_has_one_amplitude_inside(shape):
    found, inside, modulus = problem(shape, tuple(n - 2 for n in shape), (1, 2, 3))
    one, expected = box_of(found, inside, modulus), found
    for _ in range(2):
        expected, misfit = project(expected, inside, modulus, "EHIO")
        assert one.iterate(relaxation("EHIO"))[0] == pytest.approx(misfit, rel=1e-4)
        # a phase is as uncertain as the amplitude is small that it had
        error = np.abs(found - expected) / np.abs(expected).max()
        assert np.quantile(error, 0.9) < 1e-5
        assert error.max() < 1e-3


def test_a_volume_that_would_be_copied_is_refused():
    found, inside, modulus = problem((8, 9, 10), (8, 9, 10), (0, 0, 0))
    with pytest.raises(ValueError, match="contiguous"):
        box_of(found.transpose(2, 1, 0), inside, modulus)


def test_a_field_of_zero_stays_zero():
    nothing, modulus = np.zeros((9, 8, 7), np.complex64), np.ones((9, 8, 7), np.float32)
    modulus[0] = -1
    one = box_of(nothing, np.ones_like(modulus, bool), modulus)
    for _ in range(2):
        assert one.iterate(relaxation("HIO"))[0] == pytest.approx(8 * 8 * 7, rel=1e-5)
        assert not nothing.any()


def test_the_box_is_the_smallest_one_with_whole_vectors_also_around_the_corner():
    inside = np.zeros((12, 11, 40), bool)
    inside[[10, 11, 1], [4, 5, 8], 37] = True
    inside[10, 4, 5] = True
    modulus = np.ones(inside.shape, np.float32)
    one = box_of(inside.astype(np.complex64), inside, modulus, confined=True)
    assert one.part.shape == (4, 5, 16)
    empty = np.zeros_like(inside)
    assert box_of(empty.astype(np.complex64), empty, modulus, confined=True).part.shape == (1, 1, 8)


def test_a_box_that_is_most_of_the_volume_is_not_copied():
    found, inside, modulus = problem((10, 10, 16), (9, 9, 16), (0, 0, 0))
    one = box_of(found, inside, modulus, confined=True)
    assert np.shares_memory(one.part, found)
    expected, _ = project(found, inside, modulus)
    one.iterate(relaxation("ER"))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "algorithm", ["12*ER", "5*HIO+12*ER+3*HIO+4*ER", "4*ER+3*CG+4*ER", "4*ER+2*EHIO+4*ER"]
)
def test_a_run_takes_the_same_way_compiled_and_by_transforms(monkeypatch, algorithm):
    truth = crystal((32, 30, 27))
    data = Diffraction(photons(truth), None, 0.02, backend="compiled")
    starts = random_starts(data, 2, 0.1, 0)
    plan = Refinement(algorithm=algorithm, shrink_wrap=ShrinkWrap(every=5, start=5))
    _, boxed = finish(refine(data, starts, plan))
    monkeypatch.setenv(VARIABLE, "torch")
    monkeypatch.setattr(Box, "iterate", lambda *_: pytest.fail("compiled"))
    data = Diffraction(photons(truth), None, 0.02)
    _, plain = finish(refine(data, starts, plan))
    np.testing.assert_allclose(boxed.object, plain.object, atol=2e-3 * np.abs(plain.object).max())
    np.testing.assert_array_equal(boxed.support, plain.support)
    np.testing.assert_allclose(boxed.errors, plain.errors, rtol=1e-3)
    assert boxed.figures == pytest.approx(plain.figures, rel=1e-3)


def test_an_object_can_be_looked_at_on_the_way():
    found, inside, modulus = problem((20, 21, 22), (6, 6, 6), (0, 3, 5))
    data = Diffraction(np.fft.fftshift(np.maximum(modulus, 0) ** 2), np.fft.fftshift(modulus >= 0), 0)
    one = chunk.Chunk(torch.from_numpy(found)[None].clone(), torch.from_numpy(inside)[None], data)
    expected = one.objects[0].numpy().copy()
    for _ in range(4):
        one.iterate(relaxation("ER"))
        expected, _ = project(expected, inside, modulus)
        np.testing.assert_allclose(one.objects[0].numpy(), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["ER", "HIO"])
def test_the_number_of_threads_changes_no_bit(monkeypatch, name):
    monkeypatch.setattr(threads, "_SHARE", 1000)
    before = torch.get_num_threads()
    results = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found, inside, modulus = problem((24, 23, 22), (8, 9, 7), (20, 1, 2))
            one = box_of(found, inside, modulus, confined=name == "ER")
            misfits = one.iterate(relaxation(name), 3).tolist()
            results.append((misfits, one.part.tobytes()))
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1]


def test_an_iteration_is_one_step_without_any_transform_or_pass_of_the_whole_volume(monkeypatch):
    truth = crystal((32, 32, 32))
    data = Diffraction(photons(truth), None, 0.02)
    inside = truth != 0
    calls: list[tuple[int, ...] | str] = []

    def told(name, original):
        return lambda *args, **options: calls.append(name) or original(*args, **options)

    starts = batch.Batch(data, Starts(truth[None].astype(np.complex64), inside[None]))
    for name in ("fftn", "ifftn"):
        monkeypatch.setattr(torch.fft, name, told(name, getattr(torch.fft, name)))
    for name in ("project_modulus", "project_support"):
        monkeypatch.setattr(projections, name, told(name, getattr(projections, name)))
    iterate = Box.iterate
    monkeypatch.setattr(
        Box, "iterate", lambda self, *rest: calls.append(self.part.shape) or iterate(self, *rest)
    )

    def during(job):
        calls.clear()
        job()
        return list(calls)

    whole = [(32, 32, 32)]
    for name in ("HIO", "RAAR", "ER"):
        assert during(lambda name=name: starts.iterate(relaxation(name))) == whole
    for _ in range(3):
        ((_, _, width),) = during(lambda: starts.iterate(relaxation("ER")))
        assert width < 32
    starts.shrink_wrap(1.0, 0.1)
    assert during(lambda: starts.iterate(relaxation("ER"))) == whole
    assert during(lambda: starts.iterate(relaxation("ER"))) != whole
    assert during(lambda: starts.iterate(relaxation("HIO"))) == whole
    assert during(lambda: starts.iterate(relaxation("EHIO"))) == whole


@pytest.mark.parametrize(("name", "stages"), [("ER", 2), ("HIO", 2), ("RAAR", 2), ("EHIO", 3)])
def test_two_iterations_share_what_lies_between_them(monkeypatch, name, stages):
    found, inside, modulus = problem((16, 16, 16), (16, 16, 16), (0, 0, 0))
    one, gone_through = box_of(found, inside, modulus), []

    def counted(*args):
        compiled(*args)
        (state,) = (of for of in args if isinstance(of, np.ndarray) and of.shape == (32,))
        gone_through.append(state[16])

    compiled = iterate.iterate
    monkeypatch.setattr(threads, "_EACH", 1)
    monkeypatch.setattr(iterate, "iterate", counted)
    for count in (1, 4, 2):
        one.iterate(relaxation(name), count)
    assert gone_through == [1 + stages, 4 * stages, 2 * stages]  # only the first has no field to begin with


@given(slabs_each=st.integers(1, 30), joining=st.integers(1, 4), name=st.sampled_from(["ER", "HIO", "EHIO"]))
@settings(max_examples=30)
def test_every_slab_is_done_once_by_any_thread(slabs_each, joining, name):
    def gather(join, crowd):
        others = [threading.Thread(target=join, args=(slabs_each,)) for _ in range(crowd - 1)]
        for other in others:
            other.start()
        join(slabs_each)
        for other in others:
            other.join()

    results = []
    for crowd in (1, joining):
        found, inside, modulus = problem((9, 10, 11), (5, 6, 7), (7, 1, 2))
        one = box_of(found, inside, modulus, confined=name == "ER")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threads, "together", lambda join, _, crowd=crowd: gather(join, crowd))
            misfits = one.iterate(relaxation(name), 3)
        results.append((misfits.tobytes(), one.part.tobytes()))

    assert results[0] == results[1]


def test_iterations_take_no_new_memory(monkeypatch):
    found, inside, modulus = problem((16, 16, 16), (16, 16, 16), (0, 0, 0))
    one = box_of(found, inside, modulus)
    one.iterate(relaxation("HIO"))
    taken, aligned = [], box.aligned
    monkeypatch.setattr(box, "aligned", lambda size: taken.append(size) or aligned(size))
    for _ in range(3):
        one.iterate(relaxation("HIO"))
    assert max(taken) < found.size / 2  # a few lines and a plane
