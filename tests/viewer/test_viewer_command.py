"""A run of the window as a command line that does the same."""

from __future__ import annotations

import shlex
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication
from viewer_doubles import GEOMETRY, make_scan

import napari_autophase
from napari_autophase import cli, formats, painted
from napari_autophase.cli import inputs
from napari_autophase.recipe import PRESETS, Recipe
from napari_autophase.samples import sample_path
from napari_autophase.scan import InputError
from napari_autophase.viewer.docks.load_dock import LoadDock
from napari_autophase.viewer.docks.reconstruct_dock import ReconstructDock
from napari_autophase.viewer.model.scan.command import command


def parsed(line):
    """Return the arguments of a command, and its options by name, each with all its values."""
    program, verb, *words = shlex.split(line)
    assert (program, verb) == ("napari-autophase", "reconstruct")
    scans, options = [], {}
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            scans.append(word)
        else:
            options.setdefault(word[2:], []).append("" if word == "--sum" else words.pop(0))
    return scans, options


def recipe_of(line):
    _, options = parsed(line)
    return inputs.choose_recipe(options["preset"][0], None, options.get("set", []))


def geometry_of(line, scan):
    return inputs.GeometryChoice.of(None, None, parsed(line)[1].get("set")).applied(scan).geometry


@pytest.fixture
def scan():
    return formats.read_scan(sample_path("faceted_64.h5"))


@pytest.mark.parametrize("preset", PRESETS)
def test_the_recipe_comes_back(scan, preset):
    recipe = Recipe.from_preset(preset).with_settings(
        {
            "seed": 2**40 + 1,
            "refine.algorithm": "2*(20*ER+180*HIO)+20*ER",
            "refine.shrink_wrap.threshold": 0.1 + 0.2,
            "prepare.crop": [48, 48, 48],
            "prepare.saturation": 1e6,
            "model.coherence": [0.1, 0.2, 0.3],
            "model.background": 2.5,
            "prepare.hot_pixels": False,
        }
    )
    assert recipe_of(command(scan, recipe)) == recipe
    assert recipe_of(command(scan, Recipe.from_preset(preset))) == Recipe.from_preset(preset)
    none = recipe.with_settings({"refine.algorithm": "", "prepare.crop": None})
    assert recipe_of(command(scan, none)) == none


def test_of_a_scan_as_its_file_has_it_nothing_else_is_said(scan):
    assert command(scan, Recipe()) == f"napari-autophase reconstruct {scan.source} --preset fast"


def test_what_was_said_of_a_file_is_said_again(scan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mask = np.zeros(scan.shape, np.uint8)
    mask[:, 3:5] = 1
    np.save("a mask.npy", mask)
    np.save("scan.npy", scan.counts)
    read = formats.read_scan("scan.npy", mask="a mask.npy", mask_good=0, crop=(48, 48, 48), axes=(0, 2, 1))
    scans, options = parsed(command(read, Recipe()))
    assert scans == [str(tmp_path / "scan.npy")]
    assert options["mask"] == [str(tmp_path / "a mask.npy")]
    assert (options["mask-good"], options["crop"], options["axes"]) == (["0"], ["48,48,48"], ["0,2,1"])


@pytest.mark.parametrize(
    "geometry",
    [
        GEOMETRY,
        replace(
            GEOMETRY, direct_beam_pixel=(100.25, -3.5), rocking_step_deg=-0.0123456789, reflection=(1, 1, -1)
        ),
        replace(GEOMETRY, beamline=None, detector=None, sample_circles=("y+", (0.0, 0.6, 0.8), "z-")),
        replace(GEOMETRY, energy_step_kev=0.001, rocking_step_deg=0.0, detector_steps_deg=(0.0, 0.01)),
    ],
    ids=["beamline", "beam", "vectors", "energy scan"],
)
@pytest.mark.parametrize("known", [True, False], ids=["file with geometry", "file without"])
def test_a_geometry_that_a_person_gave_comes_back(scan, geometry, known):
    own = scan if known else replace(scan, geometry=None, metadata={})
    line = command(replace(scan, geometry=geometry), Recipe(), placed=True)
    assert geometry_of(line, own) == geometry


def test_of_a_part_of_a_scan_the_geometry_is_said_of_the_whole(tmp_path, scan):
    np.save(tmp_path / "scan.npy", scan.counts)
    part = formats.read_scan(tmp_path / "scan.npy", crop=((8, 56), (4, 52), (10, 58)))
    part = replace(part, geometry=replace(GEOMETRY, direct_beam_pixel=(10.0, 20.0)))
    line = command(part, Recipe(), placed=True)
    assert geometry_of(line, replace(part, geometry=None)) == part.geometry


def test_repeats_are_summed_again(tmp_path, scan):
    from napari_autophase.preparation import sum_scans

    for name, more in (("one.npy", 0), ("two.npy", 1)):
        np.save(tmp_path / name, scan.counts + (scan.counts > 0) * more)
    total = sum_scans([formats.read_scan(tmp_path / name) for name in ("one.npy", "two.npy")], 0.95)
    scans, options = parsed(command(total, Recipe()))
    assert scans == [str(tmp_path / "one.npy"), str(tmp_path / "two.npy")]
    assert (options["sum"], options["least"]) == ([""], ["0.95"])


def test_what_is_in_no_file_is_refused(scan):
    with pytest.raises(InputError, match="comes from no file"):
        command(make_scan(), Recipe())
    masked = formats.read_scan(sample_path("faceted_64.h5"), mask=np.zeros(scan.shape, bool))
    with pytest.raises(InputError, match="is in no file"):
        command(masked, Recipe())
    brush = np.zeros(scan.shape, bool)
    brush[3, 4, 5] = True
    with pytest.raises(InputError, match=r"painted over .* is in no file.* repeat RESULT"):
        command(painted.over(scan, brush), Recipe())


def test_of_a_scan_that_is_cropped_in_the_panel_the_files_have_the_geometry(session, viewer, qtbot, scan):
    panel = LoadDock(viewer)
    qtbot.addWidget(panel)
    session.add_scan(scan)
    panel.corrections.crop.choose("8:56,4:52,10:58")
    qtbot.waitUntil(lambda: not panel._tasks._newest, timeout=120_000)
    assert session.current.shape == (48, 48, 48)
    assert not session.was_placed(session.current)
    assert "geometry" not in command(session.current, Recipe(), session.was_placed(session.current))

    session.update_scan(
        session.current, replace(session.current, geometry=replace(session.current.geometry, energy_kev=8.5))
    )
    panel.corrections.crop.choose("")
    qtbot.waitUntil(lambda: not panel._tasks._newest, timeout=120_000)
    line = command(session.current, Recipe(), session.was_placed(session.current))
    assert "geometry.energy_kev=8.5" in line, "what a person gave stays"
    assert (
        geometry_of(line, replace(scan, geometry=None)).direct_beam_pixel == scan.geometry.direct_beam_pixel
    )


def test_the_pasted_command_finds_the_same_digits(scan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {"device": "cpu", "refine.algorithm": "10*HIO+5*ER", "refine.starts": 2, "seed": 3}
    recipe = Recipe.from_preset("iterative").with_settings(settings)
    placed = replace(scan, geometry=replace(scan.geometry, energy_kev=scan.geometry.energy_kev + 0.1))
    here = napari_autophase.run(placed, recipe, report=lambda _: None)
    line = command(placed, recipe, placed=True)
    assert cli.main([*shlex.split(line)[1:], "-o", "again.cxi", "--quiet"]) == 0
    there = formats.read_reconstruction("again.cxi")
    np.testing.assert_array_equal(there.object, here.object)
    np.testing.assert_array_equal(there.voxel_steps_nm, here.voxel_steps_nm)
    assert there.recipe == here.recipe


@pytest.fixture
def dock(session, viewer, qtbot):
    dock = ReconstructDock(viewer)
    qtbot.addWidget(dock)
    return dock


def test_the_button_copies_it(dock, session, scan):
    assert not dock.copy.isEnabled()
    session.add_scan(scan)
    dock.basic["seed"].value = 7
    dock.copy.click()
    line = QApplication.clipboard().text()
    assert line == command(scan, Recipe().with_settings({"seed": 7}))
    assert dock.copied.text().startswith("Copied: napari-autophase reconstruct")
    session.update_scan(scan, replace(scan, geometry=GEOMETRY))
    dock.copy.click()
    assert "geometry.energy_kev=9.0" in QApplication.clipboard().text()


def test_the_button_says_why_it_cannot(dock, session, monkeypatch):
    from napari_autophase.viewer.docks import run_report

    monkeypatch.setattr(run_report, "show_error", lambda _: None)
    session.add_scan(make_scan("made up"))
    dock.copy.click()
    assert "made up comes from no file" in dock.report.summary.text()


@pytest.mark.parametrize("mended_by", ["deleting the layer", "choosing nothing painted"])
def test_why_it_cannot_is_said_until_that_may_have_changed(dock, session, scan, monkeypatch, mended_by):
    from napari_autophase.viewer.docks import run_report

    monkeypatch.setattr(run_report, "show_error", lambda _: None)
    session.add_scan(scan)
    layer = session.masks.paint()
    layer.data[3, 4, 5] = 1
    session.masks.apply()
    dock.copy.click()
    assert "is in no file" in dock.report.summary.text()
    if mended_by == "deleting the layer":
        session.viewer.layers.remove(layer)
    else:
        session.masks.choose(None)
    assert dock.report.summary.text() == ""
    if mended_by == "deleting the layer":
        dock.copy.click()
        assert "Paint…" in dock.report.summary.text(), "what was painted still masks, and can be had back"
    else:
        dock.copy.click()
        assert dock.copied.text().startswith("Copied")
