"""Files that are opened in a window that lives: they are read behind it, and their layers come later."""

from __future__ import annotations

import numpy as np
import pytest
from test_viewer_piece_queue import Loop
from viewer_doubles import make_reconstruction, make_scan

from napari_autophase import formats
from napari_autophase.viewer import reader, sessions
from napari_autophase.viewer.model.run.background import AtOnce
from napari_autophase.viewer.model.scan import scan_picture
from napari_autophase.viewer.model.session import Session


class Later(Loop, AtOnce):
    """Everything waits for the turn that the test gives it."""

    def turn(self):
        while self.waiting:
            super().turn()


@pytest.fixture
def background():
    return Later()


@pytest.fixture
def session(viewer, background, monkeypatch):
    session = Session(viewer, background)
    sessions.keep(session)
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    return session


def test_napari_waits_for_no_file(tmp_path, viewer, session, background):
    scan, result = str(tmp_path / "scan.h5"), str(tmp_path / "result.cxi")
    formats.write_scan(make_scan(size=16), scan)
    formats.write(make_reconstruction(size=16), result)
    assert reader.read([scan, result]) == [(None,)], "napari is to add nothing"
    assert len(viewer.layers) == 0
    assert "Reading scan.h5, result.cxi" in str(viewer.status), "nobody wonders whether anything happens"
    background.turn()
    assert [each.shape for each in session.scans] == [(16, 16, 16)]
    assert len(session.results) == 1
    assert session.results[0].shown


def test_a_file_that_cannot_be_read_is_said_and_nothing_comes(
    tmp_path, viewer, session, background, monkeypatch
):
    said = []
    monkeypatch.setattr("napari.utils.notifications.show_error", said.append)
    assert reader.read(str(tmp_path / "gone.cxi")) == [(None,)]
    background.turn()
    assert len(said) == 1
    assert "gone.cxi" in said[0]
    assert len(viewer.layers) == 0


def test_what_nobody_expected_keeps_its_traceback(tmp_path, session, background, monkeypatch):
    said = []
    manager = "napari.utils.notifications.notification_manager.receive_error"
    monkeypatch.setattr(manager, lambda kind, error, trace: said.append((kind, trace)))

    def broken(_):
        raise KeyError("x")

    monkeypatch.setattr("napari_autophase.viewer.model.scan.opening.read", broken)
    assert reader.read(str(tmp_path / "scan.h5")) == [(None,)]
    background.turn()
    ((kind, trace),) = said
    assert kind is KeyError
    assert trace is not None


def test_what_a_layer_shows_is_computed_where_the_file_is_read(tmp_path, session, background, monkeypatch):
    np.save(tmp_path / "scan.npy", make_scan(size=16).counts)
    assert reader.read(str(tmp_path / "scan.npy")) == [(None,)]
    arrive = session.opening._add_scan
    computed = []

    def arriving(scan):
        monkeypatch.setattr(scan_picture, "find_flagged", computed.append)
        arrive(scan)

    monkeypatch.setattr(session.opening, "_add_scan", arriving)
    background.turn()
    assert session.scan_layer is not None
    assert not computed, "the window's thread has computed nothing"


def test_where_no_loop_runs_layers_come_in_the_unit_of_what_is_there(tmp_path, viewer, monkeypatch):
    session = Session(viewer)
    sessions.keep(session)
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    session.add_scan(make_scan(size=16))
    path = str(tmp_path / "result.cxi")
    formats.write(make_reconstruction(size=16), path)
    ((_, options, _),) = reader.read(path)
    assert options["units"] == ("pixel",) * 3, "napari warns of layers that disagree as soon as one comes"
