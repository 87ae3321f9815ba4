"""In a notebook and at a prompt: public names, what `run` takes and shows, how nouns print, and what a result can do."""

from __future__ import annotations

import base64
import io
import re
import sys
from html import escape
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.image import imread

import napari_autophase
from napari_autophase import analysis, formats, progress
from napari_autophase.evidence import MEANINGS
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Progress
from napari_autophase.scan import InputError, Scan
from napari_autophase.simulation import simulate

QUICK = Recipe.from_preset("iterative").with_settings({"refine.algorithm": "6*ER+6*HIO"})


@pytest.fixture(scope="module")
def scan() -> Scan:
    return simulate(1, 32).scan


@pytest.fixture(scope="module")
def result(scan):
    return napari_autophase.run(scan, QUICK)


def test_only_public_names_are_seen():
    assert set(dir(napari_autophase)) == set(napari_autophase.__all__)
    for name in napari_autophase.__all__:
        assert getattr(napari_autophase, name) is not None
    names = {name for name in vars(napari_autophase) if not name.startswith("_")}
    assert not {"Any", "annotations", "import_module"} - {"annotations"} & names


def test_a_scan_a_file_and_an_array_give_the_same(scan, result, tmp_path):
    formats.write_scan(scan, tmp_path / "scan.h5")
    for given in (tmp_path / "scan.h5", str(tmp_path / "scan.h5"), scan.counts):
        found = napari_autophase.run(given, QUICK)
        assert np.array_equal(found.object, result.object)
    assert napari_autophase.run(scan.counts, QUICK).voxel_steps_nm is None
    assert napari_autophase.run(tmp_path / "scan.h5", QUICK).origin is not None


def test_the_name_of_a_preset_is_a_recipe(scan, monkeypatch):
    from napari_autophase import reconstruct

    seen = []

    def pretend(scan, recipe, begin=None):
        seen.append(recipe)
        return scan
        yield

    monkeypatch.setattr(reconstruct, "reconstruct", pretend)
    napari_autophase.run(scan, "iterative")
    assert seen == [Recipe.from_preset("iterative")]


@pytest.mark.parametrize(
    ("given", "said"),
    [(7, "A int is no scan"), (np.zeros((4, 4)), "2-dimensional"), ("nowhere.h5", "nowhere.h5")],
)
def test_what_is_no_scan_is_refused_in_a_sentence(given, said):
    with pytest.raises(InputError, match=said):
        napari_autophase.run(given)


def test_there_is_no_such_preset(scan):
    with pytest.raises(InputError, match="no preset 'slow'"):
        napari_autophase.run(scan, "slow")


class Terminal(io.StringIO):
    def isatty(self):
        return True


STEPS = [Progress("prepare", 0, 1), *(Progress("refine", step, 4, 0.5 / step) for step in range(1, 5))]


def shown(monkeypatch, stream, wanted=None) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.shown(wanted) as report:
        for step in STEPS:
            report(step)
    return stream.getvalue()


def test_bars_are_shown_in_a_terminal_and_nowhere_else(monkeypatch):
    seen = shown(monkeypatch, Terminal())
    assert "refine" in seen
    assert "chi² 0.125" in seen
    assert shown(monkeypatch, Terminal(), wanted=False) == ""
    assert shown(monkeypatch, io.StringIO()) == ""


def test_a_notebook_shows_one_bar_that_goes_on(monkeypatch):
    """IPython's side is played: one place is made, and filled again."""
    contents = []
    place = SimpleNamespace(update=lambda content, raw: contents.append(content))

    def display(content, raw, display_id):
        assert raw
        assert display_id
        contents.append(content)
        return place

    fake = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    monkeypatch.setattr(progress, "_PAUSE_S", 0.0)
    assert shown(monkeypatch, io.StringIO()) == ""  # nothing on stderr
    assert [content["text/plain"] for content in contents[:-1]] == [
        "prepare 0/1",
        *(f"refine {step}/4, χ² {0.5 / step:.4g}" for step in range(1, 5)),
    ]
    assert contents[3]["text/html"].startswith('<progress value="3" max="4">')
    assert contents[-1]["text/plain"].startswith("Done in ")


def test_run_shows_a_bar_unless_somebody_else_is_told(scan, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    napari_autophase.run(scan, QUICK, report=lambda _: None)
    assert stream.getvalue() == ""
    napari_autophase.run(scan, QUICK)
    assert "refine" in stream.getvalue()


def test_what_cannot_be_run_or_written_is_said_to_be_what_it_is(scan, tmp_path):
    for arguments, words in (
        ((scan, {"seed": 7}), "A dict is no recipe; give a Recipe, such as Recipe.from_file"),
        ((scan, QUICK, print, "x.cxi"), "A str is nothing to begin from"),
    ):
        with pytest.raises(InputError, match=re.escape(words)):
            napari_autophase.run(*arguments)
    with pytest.raises(InputError, match=r"A \w+ is neither a result nor a scan; write\(RESULT, FILE\)"):
        napari_autophase.write(tmp_path / "scan.h5", scan)


def test_a_scan_prints_in_two_lines(scan):
    masked = Scan(scan.counts, mask=np.arange(32) < np.full((32, 32, 1), 2), name="mine")
    first, second = repr(masked).splitlines()
    assert first == f"Scan mine: 32 × 32 × 32 (frames, rows, columns), {scan.counts.dtype}"
    assert second == "2,048 voxels masked; geometry: unknown"
    assert repr(scan).endswith("geometry: 9 keV, 0.5 m")


def test_a_result_prints_in_three_lines_with_its_verdict(result):
    first, second, third = repr(result).splitlines()
    assert "32 × 32 × 32 voxels of" in first
    assert f"chi2 {result.figures['chi2']:.4g}" in second
    assert "after 12 iterations in" in second
    assert third == result.verdict
    assert escape(third) in result._repr_html_()
    assert len(repr(result.quantities)) < 200


def pictures(page: str) -> list[np.ndarray]:
    coded = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [imread(io.BytesIO(base64.b64decode(each))) for each in coded]


def test_a_scan_shows_its_peak_in_a_notebook(scan):
    html = scan._repr_html_()
    assert scan.name in html
    (picture,) = pictures(html)
    height, width, _ = picture.shape
    assert width > 2 * height  # three sums side by side
    rgb = picture[..., :3]
    assert (rgb.max(axis=2) - rgb.min(axis=2)).max() > 0.5  # and not in grey


def test_a_result_shows_its_picture_and_its_notes_in_a_notebook(result):
    from dataclasses import replace

    html = replace(result, notes=("Look & see.",))._repr_html_()
    assert "Look &amp; see." in html
    for name in result.figures:
        assert escape(MEANINGS[name]) in html
    (picture,) = pictures(html)
    assert picture.shape[1] > 800


def test_a_result_that_cannot_be_drawn_says_why(result):
    from dataclasses import replace

    html = replace(
        result, object=np.zeros_like(result.object), support=np.zeros_like(result.support)
    )._repr_html_()
    assert not pictures(html)
    assert "support" in html


def test_a_result_has_what_is_shown_of_it(result, tmp_path):
    shown = analysis.quantities(result)
    assert np.array_equal(result.amplitude, shown.amplitude)
    for name in ("phase", "strain", "displacement_nm"):
        assert np.array_equal(getattr(result, name), getattr(shown, name), equal_nan=True)
    assert result.quantities is result.quantities  # computed once
    result.save(tmp_path / "r.cxi")
    assert np.array_equal(formats.read(tmp_path / "r.cxi").object, result.object)
    figure = result.plot()
    assert imread(io.BytesIO(figure._repr_png_())).shape[1] > 800
    assert result.plot(threshold=0.5).axes


def test_without_a_screen_a_result_is_not_shown_but_says_so(result, monkeypatch):
    from napari_autophase.viewer import show

    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(show.sys, "platform", "linux")
    monkeypatch.setattr(show.napari, "current_viewer", lambda: None)
    with pytest.raises(InputError, match="no screen"):
        result.show()
