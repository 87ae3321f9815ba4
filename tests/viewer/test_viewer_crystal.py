"""Material, reflection, and the two tests of how the detector is mounted, in the geometry box."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from viewer_doubles import GEOMETRY, make_scan

from napari_autophase.geometry import scattering_vector
from napari_autophase.viewer.docks.load_dock import LoadDock

PT_111_NM = 0.39231 / np.sqrt(3)
"""The spacing of (1 1 1) in platinum (ICDD 04-0802)."""


@pytest.fixture
def dock(session, viewer, qtbot):
    dock = LoadDock(viewer)
    qtbot.addWidget(dock)
    return dock


def settle(qtbot, dock):
    qtbot.waitUntil(lambda: not dock._tasks._newest, timeout=120_000)


def say(dock, qtbot, material, hkl):
    crystal = dock.geometry_box.crystal
    line = crystal.material.lineEdit()
    line.clear()
    QTest.keyClicks(line, material)
    QTest.keyClick(line, Qt.Key.Key_Return)
    crystal.hkl.clear()
    QTest.keyClicks(crystal.hkl, hkl)
    QTest.keyClick(crystal.hkl, Qt.Key.Key_Return)
    settle(qtbot, dock)
    return crystal


def test_the_spacing_is_compared_with_that_of_the_material(dock, session, qtbot):
    # the peak lies where the arm points: Bragg's law by hand
    bragg = np.arccos(np.cos(np.radians(0.5)) * np.cos(np.radians(35.4))) / 2
    measured = 1.239841984 / 9 / (2 * np.sin(bragg))
    percent = 100 * (measured / PT_111_NM - 1)
    session.add_scan(make_scan())
    settle(qtbot, dock)
    assert dock.geometry_box.crystal.answer.isHidden()
    crystal = say(dock, qtbot, "pt", "1 1 1")
    assert session.current.geometry.reflection == (1, 1, 1)
    first, second, third = crystal.answer.text().splitlines()
    assert first.startswith(f"d measured: {measured:.5f} nm")
    assert second.startswith(f"d expected: {PT_111_NM:.5f} nm, Pt (1 1 1) [ICDD")
    assert third.startswith(f"{percent:+.2f} %: a mean strain of {percent / 100:+.4f}".replace("-", "−"))
    assert "cannot tell" in crystal.test.text()
    assert crystal.mount.isHidden()
    # it is the crystal of the next scan too, whose reflection is another matter
    session.add_scan(make_scan("second"))
    settle(qtbot, dock)
    assert (crystal.material.path, crystal.hkl.path) == ("Pt", "")
    assert any("No reflection is given" in note for note in dock.notes.text().splitlines())


def test_a_spacing_that_does_not_fit_is_marked(dock, session, qtbot):
    session.add_scan(make_scan())
    settle(qtbot, dock)
    say(dock, qtbot, "gold", "111")
    assert "−3.8" in dock.geometry_box.crystal.answer.text()
    assert "3.8 % too close" in dock.off.text()


@pytest.mark.parametrize(
    ("material", "hkl", "says"),
    [
        ("unobtainium", "1 1 1", "no 'unobtainium'"),
        ("Pt", "1 1", "Miller indices"),
        ("Pt", "0 0 0", "not all 0"),
    ],
)
def test_nonsense_is_explained_and_changes_nothing(dock, session, qtbot, material, hkl, says):
    session.add_scan(make_scan())
    settle(qtbot, dock)
    before = session.current.geometry
    crystal = dock.geometry_box.crystal
    crystal.material.lineEdit().setText(material)
    crystal.material.settle()
    if "no 'un" not in says:
        settle(qtbot, dock)
        crystal.hkl.choose(hkl)
    assert says in crystal.answer.text()
    assert session.current.geometry == before


def mounted(dock, session, qtbot, stated):
    """Show a scan whose peak fits platinum if columns run inboard, stated otherwise."""
    true = replace(GEOMETRY, direct_beam_pixel=(-300.0, 250.0), pixel_directions=("y-", "x-"), distance_m=0.5)
    q = np.linalg.norm(scattering_vector(true, (12.0, 12.0), (24, 24, 24)))
    true = replace(
        true, energy_kev=true.energy_kev * (2 * np.pi / PT_111_NM) / q
    )  # |Q| grows with the energy
    session.add_scan(make_scan(geometry=replace(true, pixel_directions=stated)))
    settle(qtbot, dock)
    return true


def test_the_lattice_test_finds_how_the_detector_is_mounted(dock, session, qtbot):
    true = mounted(dock, session, qtbot, ("y-", "x+"))
    crystal = say(dock, qtbot, "Pt", "1 1 1")
    assert crystal.test.text() == "The lattice test says: Rows y-, columns x-, other than stated: y-, x+."
    assert not crystal.mount.isHidden()
    crystal.mount.click()
    settle(qtbot, dock)
    assert session.current.geometry.pixel_directions == true.pixel_directions
    assert dock.geometry_box.form.directions.text() == "y-, x-"
    assert crystal.test.text().endswith("columns x-, as stated.")
    assert crystal.mount.isHidden()


def test_the_arm_test_finds_mount_and_distance(dock, session, qtbot):
    # a spot of 34-ID-C seen twice; the same numbers as the command line's
    geometry = replace(
        GEOMETRY,
        detector_circles=("y+", "x-"),
        detector_angles_deg=(32.174, 12.6346),
        pixel_directions=("y-", "x-"),
        direct_beam_pixel=(142.0, 141.0),
        distance_m=0.45,
        beamline=None,
        detector=None,
    )
    scan = make_scan(geometry=geometry)
    session.add_scan(scan)
    settle(qtbot, dock)
    arm = dock.geometry_box.arm
    assert (arm.spots[0].text(), arm.angles[0].text()) == ("12, 12", "32.174, 12.6346"), "its own peak"
    for line, text in zip(
        (*arm.spots, *arm.angles), ("12, 12", "-40.9, 116", "32.174, 12.6346", "31.5, 12.3"), strict=True
    ):
        line.clear()
        QTest.keyClicks(line, text)
    QTest.keyClick(arm.angles[1], Qt.Key.Key_Return)
    assert arm.answer.text().startswith("The arm test says: Rows y-, columns x+, other than stated: y-, x-")
    assert "direct beam 142, 141 and pixels of 55 × 55 µm" in arm.answer.text()
    assert len(arm.answer.text().splitlines()) == 6
    arm.mount.click()
    assert session.current.geometry.pixel_directions == ("y-", "x+")
    assert session.current.geometry.distance_m == pytest.approx(0.5, rel=5e-3)


def spots(arm):
    return [line.text() for pair in zip(arm.spots, arm.angles, strict=True) for line in pair]


def test_what_is_typed_of_the_arm_test_is_there_again_with_its_scan_and_with_the_panel(
    session, viewer, qtbot
):
    dock = LoadDock(viewer)
    one, other = make_scan(geometry=GEOMETRY), make_scan("other", geometry=GEOMETRY)
    session.add_scan(one)
    settle(qtbot, dock)
    QTest.keyClicks(dock.geometry_box.arm.spots[1], "20, 9")
    settle(qtbot, dock)
    wanted = spots(dock.geometry_box.arm)
    assert wanted[2:] == ["20, 9", ""]

    session.add_scan(other)
    settle(qtbot, dock)
    assert spots(dock.geometry_box.arm)[2:] == ["", ""], "nothing was typed of this one"
    session.add_scan(make_scan("bare", geometry=None))
    session.choose(one)
    settle(qtbot, dock)
    assert spots(dock.geometry_box.arm) == wanted, "its own peak is the first spot again"

    better = replace(one, geometry=replace(GEOMETRY, distance_m=0.7))
    session.update_scan(one, better)
    settle(qtbot, dock)
    assert spots(dock.geometry_box.arm) == wanted, "whatever the geometry becomes"
    with qtbot.waitSignal(dock.destroyed, timeout=120_000):
        dock.deleteLater()
    again = LoadDock(viewer)
    qtbot.addWidget(again)
    settle(qtbot, again)
    assert spots(again.geometry_box.arm) == wanted
    for _ in "20, 9":
        QTest.keyClick(again.geometry_box.arm.spots[1], Qt.Key.Key_Backspace)
    session.choose(other)
    session.choose(better)
    assert spots(again.geometry_box.arm)[2:] == ["", ""], "it was taken back"
    settle(qtbot, again)


@pytest.mark.parametrize(
    ("beam", "second", "says"),
    [
        (None, "20, 90", "direct beam"),
        ((142.0, 141.0), "20", "a row and a column"),
        ((142.0, 141.0), "12, 12", "did not move"),
    ],
)
def test_what_the_arm_test_lacks_is_said(dock, session, qtbot, beam, second, says):
    session.add_scan(make_scan(geometry=replace(GEOMETRY, direct_beam_pixel=beam)))
    settle(qtbot, dock)
    arm = dock.geometry_box.arm
    arm.spots[1].setText(second)
    arm.angles[1].setText("1, 36")
    arm.test.click()
    assert says in arm.answer.text()
    assert arm.mount.isHidden()


def test_without_geometry_there_is_nothing_to_compare(dock, session, qtbot):
    session.add_scan(make_scan(geometry=None))
    settle(qtbot, dock)
    assert not dock.geometry_box.crystal.isEnabled()
    assert not dock.geometry_box.arm.isEnabled()


def test_a_reflection_leaves_what_is_being_typed(dock, session, qtbot):
    session.add_scan(make_scan())
    settle(qtbot, dock)
    line = dock.geometry_box.form.lines["energy_kev"]
    line.clear()
    QTest.keyClicks(line, "8.7")
    dock.geometry_box.crystal.hkl.choose("1 1 1")
    assert line.text() == "8.7"
    assert session.current.geometry.reflection == (1, 1, 1)
    dock.settle()
    dock.geometry_box.settle()
    assert session.current.geometry.energy_kev == 8.7
    assert session.current.geometry.reflection == (1, 1, 1)
