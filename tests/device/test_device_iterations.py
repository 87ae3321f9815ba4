"""Iterations in place: the numbers of the reference, with a graph or without, and plain torch where anything is wrong."""

from __future__ import annotations

import pytest
import torch
from pretended import pretended

from napari_autophase.phasing import backend as backends
from napari_autophase.phasing import checks
from napari_autophase.phasing.cuda import backend as cuda
from napari_autophase.phasing.cuda.backend import CudaBackend
from napari_autophase.phasing.cuda.iterations import TorchPasses
from napari_autophase.phasing.torch_backend import TorchBackend

CPU = torch.device("cpu")


class Graphs:
    """Captures steps as CUDA does, without doing them, and counts."""

    def __init__(self) -> None:
        self.captured = self.replayed = 0

    def __call__(self, step):
        self.captured += 1

        def replay():
            self.replayed += 1
            step()

        return replay


class WrongPasses(TorchPasses):
    def impose(self, fields, modulus, scale):
        return super().impose(fields, modulus, scale * 1.01)


def test_iterations_in_place_are_those_of_the_reference():
    assert checks.check_iterations(CudaBackend(CPU, TorchPasses(), None)) is None
    graphs = Graphs()
    assert checks.check_iterations(CudaBackend(CPU, TorchPasses(), graphs)) is None
    assert graphs.captured == 4  # ER, HIO, RAAR, EHIO
    assert graphs.replayed == 4 * (5 - 3)


def test_nothing_that_a_graph_holds_moves():
    objects, supports, pattern = checks.small_problem()
    run = CudaBackend(CPU, TorchPasses(), Graphs()).iterations(
        objects, supports, pattern, backends.relaxation("HIO")
    )
    places = [run.objects.data_ptr(), run.reach.data_ptr()]
    run.iterate(5)
    run.confine(~supports)
    assert len(run.iterate(150)) == 150  # more than the table holds
    assert [run.objects.data_ptr(), run.reach.data_ptr()] == places
    assert not supports.equal(run.reach)


def test_wrong_numbers_are_found():
    assert (
        checks.check_iterations(CudaBackend(CPU, WrongPasses(), None)) == "they computed wrong numbers for ER"
    )


def test_a_graph_that_cannot_be_captured_is_done_without():
    def refuse(step):
        raise RuntimeError("operation not permitted when stream is capturing")

    assert checks.check_iterations(CudaBackend(CPU, TorchPasses(), refuse)) is None


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """What is remembered of the cards of this test."""
    monkeypatch.setattr(backends.cache, "folder", lambda: tmp_path)


def among(monkeypatch, seconds, *candidates):
    """Return what is chosen on a pretended card where candidates take so long."""
    monkeypatch.setattr(backends, "variants", lambda device: list(candidates))
    monkeypatch.setattr(backends, "_seconds", lambda one: seconds[type(one), getattr(one, "variant", "")])
    return backends.try_out(torch.device("cuda"))


PLAIN = (TorchBackend, "")
IN_PLACE, GRAPH = (CudaBackend, "in place, torch"), (CudaBackend, "in place, torch, as a graph")


@pytest.mark.parametrize(
    ("times", "expected"),
    [((1, 1, 1), ""), ((1, 0.9, 0.5), GRAPH[1]), ((1, 0.5, 0.9), IN_PLACE[1]), ((1, 0.99, 2), "")],
)
def test_a_variant_is_used_where_it_is_quicker(monkeypatch, times, expected):
    with pretended("cuda"):
        device = torch.device("cuda")
        tried = [CudaBackend(device, TorchPasses(), capture) for capture in (None, Graphs())]
        chosen = among(monkeypatch, dict(zip((PLAIN, IN_PLACE, GRAPH), times, strict=True)), *tried)
    assert getattr(chosen.backend, "variant", "") == expected
    assert chosen.notes == ()


@pytest.mark.parametrize("fault", ["wrong", "raises"])
def test_a_variant_that_fails_is_not_used_and_a_note_says_why(monkeypatch, fault):
    passes = WrongPasses()
    if fault == "raises":
        monkeypatch.setattr(passes, "relax", lambda *_: 1 / 0)
    with pretended("cuda"):
        tried = CudaBackend(torch.device("cuda"), passes, None)
        key = (CudaBackend, tried.variant)
        chosen = among(monkeypatch, {PLAIN: 1.0, key: 0.1}, tried)
    assert type(chosen.backend) is TorchBackend
    (note,) = chosen.notes
    assert note.startswith(f"Iterations {tried.variant}, are not used (")
    assert ("wrong numbers" if fault == "wrong" else "ZeroDivisionError") in note


def test_what_was_best_is_used_from_then_on_and_on_that_card_only(monkeypatch):
    monkeypatch.delenv(backends.VARIABLE)
    with pretended("cuda"):
        device = torch.device("cuda")
        assert type(backends.choose(device).backend) is TorchBackend  # nobody tried it out yet
        tried = CudaBackend(device, TorchPasses(), Graphs())
        among(monkeypatch, {PLAIN: 1.0, GRAPH: 0.1}, tried)
        assert backends.choose(device).backend is tried
        assert type(backends.choose(device, "torch").backend) is TorchBackend
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Another")
        backends.on_cuda.cache_clear()
        assert type(backends.choose(device).backend) is TorchBackend


def test_what_can_be_tried_depends_on_triton(monkeypatch):
    monkeypatch.setattr(cuda, "find_spec", lambda name: None)
    found = [one.variant for one in cuda.variants(torch.device("cuda"))]
    assert found == [IN_PLACE[1], GRAPH[1]]
