"""A run in one piece and the same run in pieces: killed, sliced, asked to stop, begun with others' weights."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import training_tiny
from safetensors.torch import save_file

from napari_autophase import network
from napari_autophase.files import PARTS
from napari_autophase.network.weights import NETWORKS
from napari_autophase.scan import InputError
from napari_autophase.training import Trainer, TrainingConfig, checkpoint, curves
from napari_autophase.training import trainer as trainer_module

PROGRAM = str(Path(training_tiny.__file__))


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(NETWORKS, "tiny", training_tiny.Tiny)


def document(folder, **changes):
    known = {
        "network": "tiny",
        "folder": str(folder),
        "steps": 6,
        "batch": 2,
        "validate_every": 3,
        "validation_crystals": 8,
        "threads": 1,
        "device": "cpu",
    }
    return {**known, **changes}


def config(folder, **changes):
    return TrainingConfig(**document(folder, **changes))


def finish(trainer):
    for _ in trainer.train():
        pass
    return trainer


def same(one, two):
    return all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The unbroken run that the others must equal."""
    NETWORKS["tiny"] = training_tiny.Tiny
    return finish(Trainer(config(tmp_path_factory.mktemp("whole") / "run")))


def test_a_killed_run_resumes_exactly(whole, tmp_path):
    broken = Trainer(config(tmp_path))
    job = broken.train()
    next(job), next(job)
    broken.checkpoint()
    next(job), next(job)  # these batches are lost with the kill, and so is their place in the curve
    job.close()
    resumed = finish(Trainer(config(tmp_path)))
    assert resumed.step == resumed.batches == whole.step == 6
    assert same(whole.model, resumed.model)
    assert same(whole.mean, resumed.mean)
    assert [row["step"] for row in curves.read(tmp_path)] == [3, 6]
    ends = [curves.read(trainer.folder)[-1] for trainer in (whole, resumed)]
    assert ends[0]["correlation_low"] == ends[1]["correlation_low"]
    assert ends[0]["loss"] == ends[1]["loss"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of runs that were killed between the parts of a checkpoint, and when it would take the last one's place."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, PROGRAM, "killed", "6"]
    for call in ("fsync", "replace"):
        file = folder / f"{call}.json"
        file.write_text(json.dumps(document(folder / call, checkpoint_minutes=1e-6)))
        command += [call, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ended = [line for line in done.stdout.splitlines() if line.startswith(("fsync", "replace"))]
    assert ended == [f"{call} {-signal.SIGKILL}" for call in ("fsync", "replace")], done.stderr
    return folder


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_process_killed_while_it_writes_goes_on_exactly(whole, killed, call):
    run = killed / call
    assert 0 < checkpoint.load(run).document["step"] < 6
    resumed = finish(Trainer(config(run, checkpoint_minutes=1e-6)))
    assert (resumed.step, resumed.batches) == (6, 6)
    assert same(whole.model, resumed.model)
    assert not list(run.glob(PARTS)), "what the kill left is gone"


def test_a_run_in_slices_says_how_far_it_is_and_equals_the_whole(whole, tmp_path, capsys):
    from napari_autophase import cli

    file = tmp_path / "run.json"
    file.write_text(json.dumps(document(tmp_path / "run", slice_minutes=1e-6)))
    for batch in (1, 2):  # a slice that is over at once does one batch
        assert cli.main(["network", "train", str(file)]) == 0
        assert f"stopped at batch {batch}, {batch / 6:.1%} of the run" in capsys.readouterr().out
    assert same(whole.model, finish(Trainer(config(tmp_path / "run"))).model)


@pytest.mark.parametrize(("minutes", "batches"), [(0.5, 3), (0.74, 4), (0.05, 1)])
def test_no_batch_begins_that_would_end_after_the_slice(tmp_path, monkeypatch, minutes, batches):
    """Of ten seconds each; one is done at least, or the run would never go on."""
    now = [0.0]

    def batch(_):
        now[0] += 10
        return torch.tensor(1.0)

    monkeypatch.setattr(trainer_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(Trainer, "_batch", batch)
    trainer = finish(Trainer(config(tmp_path, steps=100, slice_minutes=minutes)))
    assert trainer.step == batches
    assert checkpoint.load(tmp_path).document["step"] == batches


def test_a_run_asked_to_end_leaves_a_checkpoint(tmp_path, capsys, monkeypatch):
    """SIGTERM is how clusters end a job; Ctrl-C says by its exit code that it was interrupted."""
    from napari_autophase import cli

    file = tmp_path / "run.json"
    file.write_text(json.dumps(document(tmp_path / "run", steps=100_000)))
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    batch = Trainer._timed_batch
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):

        def told_in_a_batch(self, number=number):
            os.kill(os.getpid(), number)
            return batch(self)

        monkeypatch.setattr(Trainer, "_timed_batch", told_in_a_batch)
        assert cli.main(["network", "train", str(file)]) == code
        assert "the same command goes on" in capsys.readouterr().out
        assert checkpoint.load(tmp_path / "run").document["step"] > 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_a_run_by_the_clock_keeps_its_reading(tmp_path):
    job = (trainer := Trainer(config(tmp_path, steps=None, minutes=1e4))).train()
    next(job)
    trainer.elapsed = 3e5  # half the run
    trainer.checkpoint()
    job.close()
    resumed = Trainer(config(tmp_path, steps=None, minutes=1e4))
    assert resumed.elapsed == 3e5
    assert resumed.done == pytest.approx(0.5)
    written = checkpoint.load(tmp_path).document["learning_rate"]
    assert written == pytest.approx(2e-3 * 0.5)  # the cosine's middle


def test_another_network_is_not_mixed_into_a_run(whole):
    with pytest.raises(InputError, match="holds a run of the network 'tiny'"):
        Trainer(config(whole.folder, network="autophasenn"))


def test_beginning_with_weights_copies_what_fits_and_says_what_does_not(whole, tmp_path):
    given = dict(whole.mean.state_dict())
    given["last.weight"] = torch.zeros(2, 4, 1, 1, 1)
    given["old.bias"] = torch.zeros(3)
    save_file({k: v.contiguous() for k, v in given.items()}, tmp_path / "some.safetensors")
    begun = Trainer(config(tmp_path / "run", from_weights=str(tmp_path / "some.safetensors"), seed=5))
    fresh = Trainer(config(tmp_path / "fresh", seed=5))
    assert torch.equal(begun.model.first.weight, whole.mean.first.weight)
    assert torch.equal(begun.mean.first.weight, whole.mean.first.weight)
    assert torch.equal(begun.model.last.weight, fresh.model.last.weight)
    (note,) = begun.notes
    assert "8 of 9 tensors" in note
    assert "new are last.weight" in note
    assert "left are last.weight, old.bias" in note
    begun.checkpoint()
    assert Trainer(begun.config).notes == []  # a resumed run has its own weights


@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_unusable_weights_to_begin_with(tmp_path, content):
    file = tmp_path / "w.safetensors"
    file.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        Trainer(config(tmp_path / "run", from_weights=str(file)))
    save_file({"a": torch.zeros(2)}, file)
    with pytest.raises(InputError, match="Nothing in"):
        Trainer(config(tmp_path / "run", from_weights=str(file)))


def test_pieces_are_small_and_give_back_every_bit(tmp_path):
    """A tensor of 20 MB is cut, many small ones share a piece; odd types and shapes keep them."""
    generator = torch.Generator().manual_seed(1)
    tensors = {
        "wide": torch.randn(5_000_001, generator=generator),
        "grid": torch.randn(300, 40, 3, 3, 3, generator=generator).contiguous(
            memory_format=torch.channels_last_3d
        ),
        "half": torch.randn(7, generator=generator).bfloat16(),
        "count": torch.tensor(3),
        "none": torch.zeros(0, 4),
        **{f"small{n}": torch.randn(10, generator=generator) for n in range(12)},
    }
    checkpoint.save(tmp_path, 7, tensors, {"elapsed": 1.5})
    files = list(tmp_path.glob("checkpoint-*"))
    assert len(files) == 2
    assert max(file.stat().st_size for file in files) <= 15e6
    document, found = checkpoint.load(tmp_path)
    assert document["elapsed"] == 1.5
    assert document["step"] == 7
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, {"a": torch.ones(3)}, {})

    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", killed)
        with pytest.raises(SystemExit):
            checkpoint.save(tmp_path, 2, {"a": torch.zeros(3)}, {})
    document, tensors = checkpoint.load(tmp_path)
    assert document["step"] == 1
    assert torch.equal(tensors["a"], torch.ones(3))
    checkpoint.save(tmp_path, 2, {"a": torch.zeros(3)}, {})
    assert len(list(tmp_path.glob("*.safetensors"))) == 1  # what was left over is gone


def test_a_damaged_checkpoint_is_refused_in_one_sentence(tmp_path):
    checkpoint.save(tmp_path, 1, {"a": torch.ones(3)}, {})
    (piece,) = tmp_path.glob("*.safetensors")
    piece.write_bytes(piece.read_bytes()[:-4])
    with pytest.raises(InputError, match="damaged"):
        checkpoint.load(tmp_path)
    piece.unlink()
    with pytest.raises(InputError, match="damaged"):
        checkpoint.load(tmp_path)
    (tmp_path / checkpoint.DOCUMENT).write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        checkpoint.load(tmp_path)
    assert checkpoint.load(tmp_path / "elsewhere") is None


def test_the_curves_open_in_tensorboard(whole):
    """Read back record by record, their checksums with them, by tensorboardX's own messages."""
    from tensorboardX.crc32c import crc32c
    from tensorboardX.proto.event_pb2 import Event

    def masked(data):
        crc = crc32c(data)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    (file,) = (whole.folder / "events").iterdir()
    content, events = file.read_bytes(), []
    while content:
        size = int.from_bytes(content[:8], "little")
        assert int.from_bytes(content[8:12], "little") == masked(content[:8])
        data = content[12 : 12 + size]
        assert int.from_bytes(content[12 + size : 16 + size], "little") == masked(data)
        events.append(Event.FromString(data))
        content = content[16 + size :]
    assert events[0].file_version == "brain.Event:2"
    found = {(value.tag, event.step): value.simple_value for event in events for value in event.summary.value}
    for row in curves.read(whole.folder):
        assert found["run/loss", row["step"]] == pytest.approx(row["loss"])
        assert found["correlation/low", row["step"]] == pytest.approx(row["correlation_low"])
    assert {step for _, step in found} == {3, 6}


def test_a_curve_cut_short_by_a_kill_is_read_to_its_last_whole_line(tmp_path):
    (tmp_path / curves.FILE).write_text('{"step": 1}\n{"step": 2}\n{"ste')
    assert curves.read(tmp_path) == [{"step": 1}, {"step": 2}]
    curves.Curves(tmp_path, 1)
    assert (tmp_path / curves.FILE).read_text() == '{"step": 1}\n'


def test_weights_of_a_finished_run_load(whole):
    loaded = network.load(whole.folder / "weights.safetensors")
    assert same(whole.mean, loaded.network)
