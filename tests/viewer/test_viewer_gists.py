"""A section that is closed says in its line what is in it, and whether that is as it should be."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from viewer_doubles import GEOMETRY, make_reconstruction, make_scan

from napari_autophase.geometry import GeometrySummary
from napari_autophase.viewer.docks.workspace import Workspace
from napari_autophase.viewer.model.result import saving
from napari_autophase.viewer.model.words import gists
from napari_autophase.viewer.model.words.gists import Gist
from napari_autophase.viewer.widgets.section import Section


def said(ratios=(3.7, 3.6, 3.1), **geometry):
    """What was understood of a scan, as far as a line says it."""
    seen = {
        "q_per_nm": 27.74,
        "spacing_nm": 0.22654,
        "arm_spacing_nm": 0.2265,
        "voxel_size_nm": (14.0, 10.0, 11.0),
    }
    return SimpleNamespace(oversampling=ratios, seen=GeometrySummary(**{**seen, **geometry}))


# what is said


def test_how_a_scan_is_prepared():
    assert gists.prepared({}, None, (1, 1, 1)).words == "no crop"
    assert gists.prepared({}, 24579, (1, 1, 1)).words == "24,579 masked · no crop"
    assert gists.prepared({"crop": "auto", "dark": "d.npy"}, 0, (1, 2, 2)).words == (
        "nothing masked · crop auto · bin 1,2,2 · dark field"
    )


def test_the_sum_of_scans_and_what_is_ticked_beside_it():
    assert gists.summed(0, 0) == Gist("no other scan")
    assert gists.summed(2, 2) == Gist("sum of 3 scans")
    assert gists.summed(0, 2).mark == "doubt"


@pytest.mark.parametrize(
    ("ratios", "mark"),
    [((3.7, 3.6, 3.0), "good"), ((3.7, 2.9, 3.1), "doubt"), ((3.7, 1.9, 3.1), "off")],
)
def test_oversampling_is_enough_or_low_or_too_low(ratios, mark):
    found = gists.understood(said(ratios))
    assert found.mark == mark
    assert found.words == f"oversampling ≥ {min(ratios):.1f}"


def test_what_is_off_in_the_geometry_is_off_in_its_line():
    assert gists.stood(None, None) == Gist("unknown: lengths in voxels", "doubt")
    assert gists.stood(GEOMETRY, None) == Gist("9 keV")
    assert gists.stood(GEOMETRY, said()) == Gist("9 keV · d 0.2265 nm", "good")
    off = said(mismatch_percent=-3.84, off=("The spacing is off.",))
    found = gists.stood(GEOMETRY, off)
    assert (found.words, found.mark, found.more) == (
        "9 keV · d 0.2265 nm · −3.84 %",
        "off",
        ("The spacing is off.",),
    )
    assert gists.understood(off).mark == "off"
    assert gists.stood(GEOMETRY, said(), edited=True).mark == "off", "no run starts with it"


def test_how_a_result_lies_in_space():
    found = make_reconstruction()  # |Q| = 26.7 1/nm: d = 2π/26.7 nm
    assert gists.placed(found).words == "d 0.2353 nm"
    assert gists.placed(replace(found, scan_geometry=GEOMETRY)).words == "9 keV · d 0.2353 nm"
    assert gists.placed(make_reconstruction(nm=False)).mark == "doubt"
    assert gists.placed(found, edited=True).mark == "off"


def test_settings_that_are_not_the_preset_s():
    assert gists.settings("fast", []).words == "as fast has them"
    assert gists.settings("fast", ["seed 3", "feedback β 0.8"]).words == "2 changed: seed 3, feedback β 0.8"
    assert gists.part(["Seed", "Starts"], []).words == "Seed, Starts"


def test_a_test_of_the_mount_and_the_tuning_of_the_network():
    certain = SimpleNamespace(decisive=True, sentence="It is so.")
    assert gists.tested(None, stated=True).mark == ""
    assert gists.tested(certain, stated=True).mark == "good"
    assert gists.tested(certain, stated=False).mark == "off"
    assert gists.tested(SimpleNamespace(decisive=False, sentence=""), stated=True).mark == "doubt"
    assert [gists.tuned(*each).mark for each in (("idle",), ("running",), ("failed",), ("done", 0.2))] == [
        "",
        "",
        "off",
        "doubt",
    ]
    assert gists.tuned("done", 0.2, 0.1) == Gist("χ² 0.2 → 0.1", "good")


def test_where_a_result_is_kept(tmp_path, monkeypatch):
    from napari_autophase import export

    monkeypatch.setattr(export, "write", lambda *_: None)
    found, noted = make_reconstruction(), []
    assert saving.SAVED.gist(found) == Gist("not saved yet")
    saving.SAVED.changed.connect(lambda: noted.append(1))
    path = saving.save(found, tmp_path / "one")
    assert noted
    kept = saving.SAVED.gist(found)
    assert kept.words.startswith("saved ")
    assert kept.words.endswith(" one.cxi")
    assert (kept.mark, kept.more) == ("good", (path,))
    other = replace(make_reconstruction(), starred=True)
    saving.SAVED.change(found, other)
    assert (saving.SAVED.gist(other).words, saving.SAVED.gist(other).mark) == (
        "changed since one.cxi",
        "doubt",
    )


# how it is shown


@pytest.fixture
def section(qtbot):
    section = Section("Geometry", page="guide/geometry.md")
    section.sum_up(
        Gist("9 keV · d 0.2265 nm · and more than there is room for in a narrow panel", "off", ("Why.",))
    )
    qtbot.addWidget(section)
    section.resize(300, 40)
    section.show()
    return section


def test_a_line_is_cut_where_there_is_no_room_and_told_whole_in_the_tooltip(section):
    line = section.gist_line
    assert line.cut.endswith("…")
    assert line.cut.startswith("9 keV")
    assert line.fontMetrics().horizontalAdvance(line.cut) <= line.width()
    assert line.toolTip() == f"{line.text()}\nWhy."
    assert section.head.accessibleDescription() == line.text()
    section.resize(1200, 40)
    QApplication.processEvents()
    assert line.cut == line.text()


def test_a_line_asks_for_no_room(section):
    long = section.minimumSizeHint().width()
    section.sum_up(Gist())
    assert section.minimumSizeHint().width() == long


def test_a_line_is_drawn_only_while_the_section_is_closed(section):
    line = section.gist_line

    def shades():
        picture = line.grab().toImage()
        return {picture.pixel(x, y) for x in range(picture.width()) for y in range(picture.height())}

    assert len(shades()) > 1
    section.head.click()
    assert len(shades()) == 1


def test_pressing_the_line_opens_the_section(section, qtbot):
    qtbot.mouseClick(section.gist_line, Qt.MouseButton.LeftButton)
    assert section.head.isChecked()


def test_what_a_person_has_opened_stays_open(section):
    section.propose(is_open=True)
    assert section.head.isChecked()
    section.propose(is_open=False)
    assert not section.head.isChecked()
    section.head.click()
    section.propose(is_open=False)
    assert section.head.isChecked()


@pytest.fixture
def workspace(qtbot, viewer, session):
    session.add_scan(make_scan())
    session.add_result(make_reconstruction())
    panels = Workspace(viewer)
    qtbot.addWidget(panels)
    panels.resize(400, 800)
    panels.show()
    qtbot.waitUntil(lambda: "oversampling" in panels.load.scan_facts.gist_line.text(), timeout=60_000)
    return panels


def test_every_closed_section_of_the_panels_says_what_is_in_it_within_the_panel(workspace, qtbot):
    for index, name in enumerate(workspace._PANELS):
        workspace.tabs.setCurrentIndex(index)
        panel = getattr(workspace, name)
        sections = panel.findChildren(Section)
        for each in sections:
            each.head.setChecked(False)
        QApplication.processEvents()
        for each in sections:
            if each.isVisibleTo(panel):
                line = each.gist_line
                assert line.text(), each.head.text()
                assert line.fontMetrics().horizontalAdvance(line.cut) <= line.width(), each.head.text()
        assert panel.width() <= 400


def test_the_lines_follow_what_happens(workspace, session, qtbot):
    load, box = workspace.load, workspace.load.geometry_box
    qtbot.waitUntil(lambda: box.gist_line.text().startswith("9 keV · d 0."), timeout=60_000)
    assert not box.head.isChecked(), "it is known"
    box.clear.click()
    assert box.gist_line.text() == "unknown: lengths in voxels"
    session.add_scan(make_scan("other", geometry=None))
    assert box.head.isChecked(), "it is to be filled in"
    load.corrections.binning.sides[1].setValue(2)
    qtbot.waitUntil(lambda: "bin 1,2,1" in load.corrections.gist_line.text(), timeout=60_000)
    assert workspace.reconstruct.advanced.gist_line.text().startswith("1 changed: bin")
