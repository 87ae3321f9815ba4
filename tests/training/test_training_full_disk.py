"""A disk that is full when any one of a training's files is written: one sentence, nothing half-written, and it goes on."""

from __future__ import annotations

import errno
import json
import os

import pytest
import torch
import training_tiny

from napari_autophase import cli, files
from napari_autophase.network import build
from napari_autophase.network.weights import NETWORKS, save_weights
from napari_autophase.scan import InputError
from napari_autophase.training import Trainer, TrainingConfig, checkpoint, curves, dataset
from napari_autophase.training.ship import ship

FULL = os.strerror(errno.ENOSPC)
TINY = {
    "network": "tiny",
    "steps": 2,
    "batch": 2,
    "validate_every": 1,
    "validation_crystals": 8,
    "checkpoint_minutes": 1e-9,
    "threads": 1,
    "device": "cpu",
}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setitem(NETWORKS, "tiny", training_tiny.Tiny)


class Disk:
    """Counts what is flushed to the disk, and is full at one of them."""

    def __init__(self, full_at=None):
        self.full_at, self.flushed = full_at, 0

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        real = os.fsync

        def fsync(descriptor):
            self.flushed += 1
            if self.flushed - 1 == self.full_at:
                raise OSError(errno.ENOSPC, FULL)
            real(descriptor)

        self.patch.setattr(os, "fsync", fsync)
        return self

    def __exit__(self, *_):
        self.patch.undo()


def there(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_whose_disk_is_full_at_any_file_says_so_and_goes_on_exactly(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        Trainer, "validate", lambda _: {"correlation_low": 0.5}
    )  # which is not what is tested

    def train(name):
        document = tmp_path / f"{name}.json"
        document.write_text(json.dumps({**TINY, "folder": str(tmp_path / name)}))
        return cli.main(["network", "train", str(document)])

    with Disk() as disk:
        assert train("whole") == 0
    assert disk.flushed >= 8  # curve, events, their rows, two checkpoints, weights
    capsys.readouterr()
    wanted = torch.cat([one.flatten() for one in checkpoint.load(tmp_path / "whole").part("model").values()])
    for number in range(disk.flushed):
        name = f"run{number}"
        with Disk(full_at=number):
            assert train(name) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"napari-autophase: {tmp_path / name}")
        assert error.endswith(f" cannot be written ({FULL}); make room there, or choose another place.\n")
        assert len(error.splitlines()) == 1
        assert not list((tmp_path / name).rglob(files.PARTS))
        for line in there(tmp_path / name).get(curves.FILE, b"").splitlines():
            json.loads(line)
        assert train(name) == 0, capsys.readouterr().err
        found = checkpoint.load(tmp_path / name).part("model").values()
        assert torch.equal(torch.cat([one.flatten() for one in found]), wanted)
        assert [row["step"] for row in curves.read(tmp_path / name)] == [1, 2]
        capsys.readouterr()


def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PIECE_BYTES", 400)
    checkpoint.save(tmp_path, 1, {"a": torch.ones(300)}, {})
    before = there(tmp_path)
    assert len(before) == 4
    for number in range(4):
        with Disk(full_at=number), pytest.raises(InputError, match=FULL):
            checkpoint.save(tmp_path, 2, {"a": torch.zeros(300)}, {})
        assert there(tmp_path) == before
    checkpoint.save(tmp_path, 2, {"a": torch.zeros(300)}, {})
    assert checkpoint.load(tmp_path).document["step"] == 2


def test_what_a_kill_left_of_a_write_is_removed_when_the_run_goes_on(tmp_path):
    left = tmp_path / files.PARTS.replace("*", "0" * 32)
    left.write_bytes(b"half")
    config = TrainingConfig(**TINY, folder=str(tmp_path))
    for _ in Trainer(config).train():
        pass
    assert not left.exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        Trainer(TrainingConfig(**TINY, folder=str(tmp_path / "file" / "run")))
    with pytest.raises(InputError, match="cannot be made"):
        next(dataset.write_set(tmp_path / "file" / "set", 1))


def test_a_data_set_ends_with_its_last_whole_crystal(tmp_path):
    with Disk(full_at=2), pytest.raises(InputError, match=f"c000002_32.npy cannot be written .{FULL}"):
        list(dataset.write_set(tmp_path, 3))
    assert sorted(there(tmp_path)) == ["train0000c000000_32.npy", "train0000c000001_32.npy"]
    cut_short = there(tmp_path)
    with Disk() as disk:
        assert len(list(dataset.write_set(tmp_path, 3))) == 3
    assert disk.flushed == 4
    assert there(tmp_path).items() > cut_short.items()
    assert (tmp_path / dataset.LIST).read_text().split() == sorted(
        path.name for path in tmp_path.glob("*.npy")
    )


def test_weights_and_their_card_change_together_or_not_at_all(tmp_path):
    config = TrainingConfig(**TINY, folder=str(tmp_path / "run"))
    for _ in Trainer(config).train():
        pass
    package = tmp_path / "package"
    package.mkdir()
    file, card = package / "w.safetensors", package / "w.json"
    file.write_bytes(b"weights"), card.write_bytes(b"card")
    for number in (0, 1):
        with Disk(full_at=number), pytest.raises(InputError, match=FULL):
            ship(tmp_path / "run", file, card)
        assert there(package) == {"w.safetensors": b"weights", "w.json": b"card"}


def test_weights_on_a_full_disk_leave_the_file_before(tmp_path):
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"precious")
    with Disk(full_at=0), pytest.raises(InputError, match=FULL):
        save_weights(file, build("tiny"), "tiny", {})
    assert there(tmp_path) == {"w.safetensors": b"precious"}
