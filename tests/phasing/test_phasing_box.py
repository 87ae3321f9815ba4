"""ER in the box around a support is ER: the same numbers for less work."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from phasing_crystals import crystal, finish, photons

from napari_autophase.phasing import Diffraction, Starts, batch, box, passes, piece, random_starts, refine
from napari_autophase.phasing.algorithm import feedback
from napari_autophase.phasing.box import Box, mirrored, paired, pays, slab_order, spans
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


def project(found, inside, modulus):
    """One iteration of ER in double precision, by NumPy's transforms; and the misfit before it."""
    field = np.fft.fftn(found.astype(complex))
    fitted = modulus >= 0
    misfit = ((np.abs(field) - modulus)[fitted] ** 2).sum()
    field[fitted] *= modulus[fitted] / np.abs(field[fitted])
    return np.fft.ifftn(field) * inside, misfit


def in_a_box(found, inside, modulus):
    support = torch.from_numpy(inside)
    return Box(torch.from_numpy(found), support, spans(support), slab_order(torch.from_numpy(modulus)))


@given(
    shape=st.tuples(*[st.integers(9, 24)] * 3),
    widths=st.tuples(*[st.integers(1, 8)] * 3),
    first=st.tuples(*[st.integers(0, 23)] * 3),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=40)
def test_an_iteration_in_the_box_is_an_iteration(shape, widths, first, seed):
    found, inside, modulus = problem(shape, widths, first, seed)
    one = in_a_box(found, inside, modulus)
    volume = torch.from_numpy(found.copy())
    for _ in range(2):
        found, misfit = project(found, inside, modulus)
        assert one.step() == pytest.approx(misfit, rel=1e-4)
    one.put(volume)
    np.testing.assert_allclose(volume.numpy(), found, atol=2e-5 * np.abs(found).max())
    assert not volume.numpy()[~inside].any()


def test_the_box_is_the_smallest_even_one_also_around_the_corner():
    inside = torch.zeros(12, 11, 10, dtype=torch.bool)
    inside[[10, 11, 1], [4, 5, 8], 3] = True
    assert spans(inside) == ((10, 4), (4, 6), (3, 2))
    assert spans(torch.zeros(4, 4, 4, dtype=torch.bool)) == ((0, 2),) * 3
    assert [width for _, width in spans(torch.ones(7, 8, 9, dtype=torch.bool))] == [8, 8, 10]


@given(side=st.integers(2, 40), data=st.data())
def test_orders_are_permutations(side, data):
    width = 2 * data.draw(st.integers(1, side // 2))
    first = data.draw(st.integers(0, side - 1))
    assert sorted(paired(side)) == list(range(side))
    places = mirrored(first, width, side)
    assert sorted(places) == sorted((first + np.arange(width)) % side)
    # the k-th ahead and the k-th behind lie at the same distance from the middle
    ahead, behind = np.split((places - first) % side, 2)
    np.testing.assert_array_equal(ahead + behind, width - 1)


def test_it_is_used_where_it_pays_and_only_there():
    def around(fraction, *shape):
        return pays(shape, tuple((0, 2 * int(fraction * n / 2)) for n in shape))

    assert around(0.4, 64, 64, 64)
    assert around(0.4, 128, 128, 128)
    assert not around(0.9, 64, 64, 64)
    assert around(0.8, 101, 101, 101)  # transforms of a prime length are slow
    assert not pays((7, 8, 9), ((0, 8), (0, 8), (0, 10)))  # wider than the volume


def test_without_compiled_passes_there_is_no_box(monkeypatch):
    monkeypatch.setattr(passes, "_kernels", lambda: None)
    assert not pays((64, 64, 64), ((0, 8),) * 3)


@pytest.mark.parametrize(
    "algorithm", ["12*ER", "5*HIO+12*ER+3*HIO+4*ER", "4*ER+3*CG+4*ER", "4*ER+2*EHIO+4*ER"]
)
def test_a_run_takes_the_same_way_with_boxes_and_without(monkeypatch, algorithm):
    truth = crystal((32, 30, 27))
    data = Diffraction(photons(truth), None, 0.02)
    starts = random_starts(data, 2, 0.1, 0)
    plan = Refinement(algorithm=algorithm, shrink_wrap=ShrinkWrap(every=5, start=5))
    entered = []
    step = Box.step
    monkeypatch.setattr(Box, "step", lambda self: entered.append(self) or step(self))
    _, boxed = finish(refine(data, starts, plan))
    assert entered
    monkeypatch.setattr(box, "pays", lambda *_: False)
    count = len(entered)
    _, plain = finish(refine(data, starts, plan))
    assert len(entered) == count
    np.testing.assert_allclose(boxed.object, plain.object, atol=2e-3 * np.abs(plain.object).max())
    np.testing.assert_array_equal(boxed.support, plain.support)
    np.testing.assert_allclose(boxed.errors, plain.errors, rtol=1e-3)
    assert boxed.figures == pytest.approx(plain.figures, rel=1e-3)


def test_an_object_can_be_looked_at_on_the_way():
    found, inside, modulus = problem((20, 21, 22), (6, 6, 6), (0, 3, 5))
    data = Diffraction(np.fft.fftshift(np.maximum(modulus, 0) ** 2), np.fft.fftshift(modulus >= 0), 0)
    one = piece.Piece(torch.from_numpy(found)[None].clone(), torch.from_numpy(inside)[None], data)
    expected = one.objects[0].numpy().copy()
    for _ in range(4):
        one.iterate(feedback("ER"))
        expected, _ = project(expected, inside, modulus)
        np.testing.assert_allclose(one.objects[0].numpy(), expected, atol=1e-4 * np.abs(expected).max())


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    monkeypatch.setattr(passes, "_SLAB", 1000)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found, inside, modulus = problem((24, 23, 22), (8, 9, 7), (20, 1, 2))
            one, volume = in_a_box(found, inside, modulus), torch.from_numpy(found)
            misfits = [one.step() for _ in range(3)]
            one.put(volume)
            results.append((misfits, volume.numpy().tobytes()))
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1]


class Counted:
    """How often transforms of the whole volume and compiled functions were called."""

    def __init__(self, monkeypatch):
        self.calls: list[str] = []
        for name in ("fftn", "ifftn"):
            original = getattr(torch.fft, name)
            monkeypatch.setattr(torch.fft, name, self._told(name, original))
        for name in ("modulus_pass", "support_pass"):
            monkeypatch.setattr(passes, name, self._told(name, getattr(passes, name)))
        monkeypatch.setattr(Box, "step", self._told("box", Box.step))

    def _told(self, name, original):
        def counted(*args, **options):
            self.calls.append(name)
            return original(*args, **options)

        return counted

    def during(self, job):
        self.calls.clear()
        job()
        return list(self.calls)


def test_an_iteration_is_two_transforms_and_two_passes_or_a_step_in_the_box(monkeypatch):
    truth = crystal((32, 32, 32))
    data = Diffraction(photons(truth), None, 0.02)
    inside = truth != 0
    with batch.Batch(data, Starts(truth[None].astype(np.complex64), inside[None])) as starts:
        counted = Counted(monkeypatch)
        whole = ["fftn", "modulus_pass", "ifftn", "support_pass"]
        for name in ("HIO", "RAAR", "ER"):
            assert counted.during(lambda name=name: starts.iterate(feedback(name))) == whole
        for _ in range(3):
            assert counted.during(lambda: starts.iterate(feedback("ER"))) == ["box"]
        starts.shrink_wrap(1.0, 0.1)
        assert counted.during(lambda: starts.iterate(feedback("ER"))) == whole
        assert counted.during(lambda: starts.iterate(feedback("ER"))) == ["box"]
        assert counted.during(lambda: starts.iterate(feedback("HIO"))) == whole


def test_a_wide_support_is_measured_once(monkeypatch):
    data = Diffraction(photons(crystal((16, 16, 16))), None, 0.02)
    wide = np.ones((1, 16, 16, 16), bool)
    looked = []
    monkeypatch.setattr(box, "spans", lambda support: looked.append(1) or spans(support))
    with batch.Batch(data, Starts(wide.astype(np.complex64), wide)) as starts:
        for _ in range(5):
            starts.iterate(feedback("ER"))
    assert len(looked) == 1
