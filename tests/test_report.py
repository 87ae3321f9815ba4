"""The report of a result: whole in itself, with the numbers of the crystal, as HTML and as PDF."""

from __future__ import annotations

import base64
import io
import re
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from napari_autophase import analysis, formats
from napari_autophase.analysis.drawing import new_page
from napari_autophase.cli import main
from napari_autophase.evidence import MEANINGS, Curve, Trust
from napari_autophase.export import Against
from napari_autophase.light import Background, Coherence
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import run
from napari_autophase.report import figures, gather, html, pdf, tables, write_report
from napari_autophase.report import seen as seen_
from napari_autophase.report.facts import facts
from napari_autophase.report.tables import Table
from napari_autophase.scan import InputError, fingerprint
from napari_autophase.simulation import simulate


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A scan in a file, and what was found in it."""
    folder = tmp_path_factory.mktemp("report")
    formats.write_scan(simulate(7, 32, oversampling=(2.5, 2.5, 2.5), gaps=True).scan, folder / "s.h5")
    scan = formats.read_scan(folder / "s.h5")
    found = run(scan, Recipe.from_preset("iterative").with_settings({"refine.algorithm": "40*ER"}))
    found = replace(found, name="crystal <1>", notes=(*found.notes, "Made up & sure."))
    formats.write(found, folder / "r.cxi")
    return folder, scan, found


@contextmanager
def without_crystal():
    """Inside, the crystal itself is not drawn, which takes longest."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("surfaces", "slices", "facets", "histograms"):
            patch.setattr(figures, name, lambda *_: new_page(1, 1))
        yield


@pytest.fixture(scope="module")
def whole(made):
    """The report with all that can be said: pages and PDFs are made of it."""
    _, scan, found = made
    return gather(found, scan=scan, against=Against(material="Pt"))


@pytest.fixture(scope="module")
def reports(made):
    """Reports by what is said of the result: nothing, or what several runs would say, with a resolution or beyond it."""
    found = made[2]
    with without_crystal():
        return {
            "alone": gather(found),
            **{reached: gather(trusted_(found, reached)) for reached in (True, False)},
        }


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.images, self.words, self.links, self.open = [], [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "img":
            self.images.append(given)
        self.links += [
            given[key] for key in ("href", "src") if key in given and not given[key].startswith("data:")
        ]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_is_whole_in_itself_and_says_what_the_crystal_is(made, whole):
    _, _, found = made
    text = html.page(whole)
    page = _Page()
    page.feed(text)
    assert page.links == []
    # numbers in columns are not broken
    assert re.search(r"td, th \{[^}]*overflow-wrap: break-word", text)
    assert not re.search(r"url\(|@import|<script", text)
    assert page.open == []
    words = " ".join(page.words)
    assert "crystal <1>" in words  # escaped
    assert "Made up & sure." in words
    assert "absolute, against 0.226500 nm (Pt (1 1 1)" in words
    assert "relative to the mean lattice" in words
    assert f"{found.figures['chi2']:.6g}" in words
    for name in found.figures:
        assert MEANINGS[name] in words
    assert "refine.algorithm 40*ER" in re.sub(r"\s+", " ", words)
    for image in page.images:
        pixels = imread(io.BytesIO(base64.b64decode(image["src"].partition(",")[2])), format="png")
        assert pixels.shape[1] > 900
        assert pixels[..., :3].std() > 0.03  # something is drawn
        assert image["alt"]
    titles = re.findall(r"<h2>([^<]*)</h2>", text)
    shown = [
        "Notes",
        "Surface",
        "Central slices",
        "Distributions",
        "Resolution and trust",
        "Rocking curve and convergence",
        "Diffraction",
        "How strain was obtained",
        "How well the model explains the data",
    ]
    assert [title for title in titles if title in shown] == shown


def test_the_pdf_has_the_same_pages_in_it(made, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_autophase.report.gather", lambda *_, **__: whole)
    write_report(made[2], tmp_path / "r.pdf")
    content = (tmp_path / "r.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert content.rstrip().endswith(b"%%EOF")
    assert 4 <= len(re.findall(rb"/Type /Page\b", content)) <= 9


@pytest.mark.parametrize(
    "rows",
    [
        [
            ("facet", "planes", "misfit (°)", "share (%)", "to Q (°)", "area (nm²)", "strain (%)", "displacement (Å)", "normal"),
            *9
            * [
                ("18", "(-1 -2 12)", "1.9", "18.5", "111.3", "147663", "+0.009 ± 0.017", "-10.037 ± 0.087", "-0.743, -0.525, -0.")
            ],
        ],
        [("edges, 10 to 90 %, where the surface faces x", "29.1 nm"), ("strain, where it reproduces", "word " * 60)],
        [("a", "b", "c"), ("x", "y", "as long as a line of its own " * 8)],
    ],
)  # fmt: skip
def test_words_of_a_pdfs_tables_stand_beside_each_other(rows):
    text = pdf._Text()
    pdf._rows(text, Table("Table", rows, head=len(rows[0]) > 2))
    (page,) = text.pages
    drawn = page.canvas.get_renderer()
    boxes = [each.get_window_extent(drawn).padded(2) for each in page.texts]  # of 100 in an inch
    assert max(box.x1 for box in boxes) < page.bbox.width * (1 - 0.4 / pdf.WIDTH)
    for number, one in enumerate(boxes):
        assert not one.count_overlaps(boxes[:number])
    said = " ".join(each.get_text() for each in page.texts).split()
    assert sorted(said) == sorted(" ".join(["Table", *(words for row in rows for words in row)]).split())


def test_pages_of_a_pdf_are_numbered_and_a_table_that_goes_on_has_its_head_again(whole):
    text = pdf._Text()
    pdf._rows(
        text,
        Table("Shells", [("shell", "what it is"), *((str(n), "word " * 40) for n in range(80))], head=True),
    )
    assert len(text.pages) > 1
    for number, page in enumerate(text.pages, 1):
        heads = [each for each in page.texts if each.get_text() == "shell"]
        assert len(heads) == 1
        assert heads[0].get_fontweight() == "bold"
        lowest = min(each.get_position()[1] for each in page.texts)
        assert lowest * pdf.HEIGHT > 0.5, "above the foot"
        pdf._foot(page, whole, f"{number} / {len(text.pages)}")
        assert [each.get_text() for each in page.texts[-2:]] == [
            f"{whole.title} · {whole.subtitle}",
            f"{number} / {len(text.pages)}",
        ]
    shown = [each.get_text() for page in text.pages for each in page.texts]
    assert [each for each in shown if each.isdigit()][:80] == [str(n) for n in range(80)]


def test_a_reader_is_told_how_strain_was_obtained(made, whole):
    """What a referee asks: sign, frame, reference, voxels, threshold, smoothing, corrections, held-out pixels, hashes."""
    _, scan, found = made
    said = dict(next(each for each in whole.tables if each.title == "How strain was obtained").rows)
    assert "positive where lattice planes are farther apart" in said["strain"]
    assert said["sign"].startswith("phase = −Q·u")
    assert "x outboard, y up, z along the beam" in said["frame"]
    for value in found.q_bragg_per_nm:
        assert f"{value:.3f}" in said["frame"]
    assert "relative to the mean lattice" in said["reference"]
    assert "against 0.226500 nm (Pt (1 1 1)" in said["reference"]
    lengths = np.linalg.norm(found.voxel_steps_nm, axis=0)
    assert " × ".join(f"{each:.2f}" for each in lengths) in said["voxels"]
    assert f"{abs(np.linalg.det(found.voxel_steps_nm)) ** (1 / 3):.2f} nm" in said["voxels"]
    assert said["crystal"].startswith("where the amplitude is 0.3 or more")
    assert said["smoothing"] == "strain is that of single voxels, neither smoothed nor regularised"
    assert said["corrections"] == "refraction and absorption are not corrected; no apodisation"
    assert f"likelihood is {found.figures['free_llk']:.3g}" in said["held-out pixels"]
    assert said["runs"].startswith("one:")
    hashes = dict(next(each for each in whole.tables if each.title == "Versions and hashes").rows)
    assert hashes["counts (SHA-256)"] == fingerprint(scan.counts)


def test_what_was_smoothed_corrected_averaged_or_lies_in_another_frame_is_told(made):
    found = trusted_(made[2], True)
    said = dict(analysis.method(found))
    assert "smoothed to 21.5 nm (full width at half maximum): the least at which" in said["smoothing"]
    assert said["runs"].startswith("2 of 2 are averaged")
    recipe = found.recipe.with_settings(
        {"analyse.refraction": "Pt", "analyse.apodisation": "hann", "analyse.apodisation_width": "12"}
    )
    said = dict(analysis.method(replace(found, recipe=recipe)))
    assert (
        said["corrections"]
        == "refraction and absorption are corrected for Pt; apodised by a hann window of 12 nm"
    )
    unplaced = dict(analysis.method(replace(found, voxel_steps_nm=None, q_bragg_per_nm=None)))
    assert unplaced["strain"].startswith("relative:")
    assert "rocking angle" in unplaced["frame"]
    foreign = replace(found, seconds={}, trust=None)
    assert dict(analysis.method(foreign))["voxels"].startswith("phased on a sheared grid")
    assert "nm in the file" in dict(analysis.method(replace(foreign, geometry=None)))["voxels"]
    assert not {"runs", "held-out pixels"} & set(dict(analysis.method(foreign)))
    turned = dict(analysis.method(replace(found, metadata={"frame": "crystal"})))
    assert "Q lies along y" in turned["frame"]
    assert "outboard" not in turned["frame"]


def test_a_crystal_in_another_frame_is_not_seen_from_downstream(made):
    turned = analysis.quantities(replace(made[2], metadata={"frame": "crystal"}))
    drawn = figures.surfaces(turned)
    assert [each.get_title() for each in drawn.axes if each.get_title()][:3] == [
        "along z",
        "along x",
        "along y",
    ]
    said = dict(facts(made[2], turned, analysis.resolution(turned, None)))
    assert said["|Q|"].endswith("along x, y (along Q), z")
    assert tables.facets(turned, []).rows[0][-1] == "normal x, y, z (crystal)"


def test_data_and_model_lie_on_one_grid_and_one_scale(made):
    _, scan, found = made
    seen = seen_.Seen.of(found, scan)
    assert "on one scale" in seen.words
    inside = seen.good
    assert np.corrcoef(np.sqrt(seen.data[inside]), np.sqrt(seen.model[inside]))[0, 1] > 0.97
    assert seen.model[inside].sum() == pytest.approx(seen.data[inside].sum(), rel=0.1)
    # the slices of q are those of the laboratory: the peak lies at Q
    for plane, (left, right, low, high), (across, up) in seen_._planes(seen, seen.data):
        row, column = np.unravel_index(np.nanargmax(plane), plane.shape)
        axes = ["x", "y", "z"]
        at = [
            left + (column + 0.5) * (right - left) / plane.shape[1],
            low + (row + 0.5) * (high - low) / plane.shape[0],
        ]
        for value, label in zip(at, (across, up), strict=True):
            assert value == pytest.approx(
                seen.q_per_nm[axes.index(label[3])], abs=1.5 * (right - left) / plane.shape[1]
            )


def seen_from_many_directions(found, widths):
    """Return the mean of the intensities of beams that fall in along directions of a normal distribution (Gauss–Hermite)."""
    object = np.where(found.support, found.object, 0).astype(complex)
    places = np.meshgrid(*(np.arange(n) - n // 2 for n in object.shape), indexing="ij", sparse=True)
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    total = np.zeros(object.shape)
    for node in np.ndindex(*(9 if width else 1 for width in widths)):
        ramp, weight = 1.0, 1.0
        for width, place, one in zip(widths, places, node, strict=True):
            if width:
                ramp = ramp * np.exp(-2j * np.pi * width * nodes[one] * place / object.shape[0])
                weight *= weights[one] / weights.sum()
        total += weight * abs(np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(object * ramp)))) ** 2
    return total


def test_the_model_has_the_blur_and_the_background_that_the_result_says(made):
    _, scan, found = made
    plain = seen_.Seen.of(replace(found, coherence=Coherence(), background=Background()), None)
    assert plain.words.startswith(
        "Computed from the crystal alone: |FFT|² of the object inside its support; the scan"
    )
    widths = (0.6, 0.3, 0.0)
    spoilt = replace(found, coherence=Coherence("gaussian", widths), background=Background("flat", 4.0))
    seen = seen_.Seen.of(spoilt, None)
    np.testing.assert_allclose(seen.model, seen_from_many_directions(found, widths) + 4, rtol=1e-3, atol=0.01)
    assert "blurred by 0.60 × 0.30 × 0.00 pixels (σ)" in seen.words
    assert "on a background of 4 photons in every voxel" in seen.words
    beside = seen_.Seen.of(spoilt, scan)
    # what is left is the crystal's own light, whatever lies below it
    assert np.corrcoef(beside.model.ravel(), seen.model.ravel())[0, 1] > 0.999
    level = np.linspace(1, 7, 32)
    framed = replace(spoilt, background=Background("frames", 4.0))
    assert np.ptp(seen_.Seen.of(framed, scan, level).model.min(axis=(1, 2))) == pytest.approx(6, abs=0.5)
    assert seen_.Seen.of(framed, scan).model.min() >= 4  # the mean, where it is not known voxel by voxel


def test_what_is_left_is_measured_in_units_of_noise(made):
    _, scan, found = made
    mean = np.full((24, 24, 24), 40.0)
    counts = np.random.default_rng(0).poisson(mean)
    seen = replace(seen_.Seen.of(found, scan), model=mean, data=counts, good=mean > 0)
    assert seen.unexplained.std() == pytest.approx(1, abs=0.03)
    assert np.sign(seen.unexplained.ravel()[counts.argmax()]) == 1


def trusted_(found, reached: bool):
    """The result with what several runs would say of it."""
    f = np.linspace(0, 0.1, 11)
    falling = np.linspace(1, 0, 11) if reached else np.ones(11)
    curve = Curve(f, falling, np.full(11, 0.35))
    run_ = {"seed": 0.0, "share": 0.0, "kept": 1.0, "agreement": 1.0, "twin": 0.0, "seconds": 1.5}
    figures = {
        "agreement": 0.98,
        "first_mode": 0.97,
        "fsc_resolution": curve.resolution,
        "prtf_resolution": curve.resolution,
        "strain_correlation": 0.93,
        "strain_correlation_per_voxel": 0.4,
        "strain_resolution": 21.5,
        "strain_spread": 1.2e-3,
        "strain_error": 3e-4,
    }
    strain = np.where(found.support, np.float32(1e-3), np.float32(np.nan))
    maps = (strain, strain / 4, strain / 10, strain / 10)
    runs = (run_, {**run_, "seed": 1.0})
    return replace(
        found, trust=Trust(*maps, figures=figures, runs=runs, unit="nm", fsc=curve, prtf=curve, objects=None)
    )


@pytest.mark.parametrize(("reached", "words"), [(True, "15.4 nm"), (False, "10 nm or better")])
def test_fsc_and_prtf_are_drawn_against_their_thresholds(made, reports, reached, words):
    _, _, found = made
    report = reports[reached]
    picture = next(each for each in report.pictures if each.title == "Resolution and trust")
    assert "half-bit" in picture.caption
    assert "1/e" in picture.caption
    axes = [each for each in picture.figure.axes if each.get_ylabel()]
    assert [each.get_title() for each in axes] == ["Model and data", f"FSC: {words}", f"PRTF: {words}"]
    fsc = axes[1]
    assert fsc.get_xlabel() == "q (1/nm)"
    drawn = {line.get_label(): line.get_xydata() for line in fsc.lines}
    np.testing.assert_allclose(drawn["FSC"][-1], [0.2 * np.pi, 0 if reached else 1])
    np.testing.assert_allclose(drawn["half-bit"][:, 1], 0.35)
    table = next(each for each in report.tables if each.title == "How well the model explains the data")
    assert len(table.rows) == 1 + len(found.shells.frequency)
    assert {row[-1] for row in table.rows[1:]} <= {"good", "fair", "poor"}
    # what a shell is called by is there: the ratio, or the light
    assert table.rows[0][-2] == "unexplained (%)"
    for row in table.rows[1:]:
        photons, deviance, noise, share = (float(row[index]) for index in (2, 3, 4, -2))
        assert share == pytest.approx(max(25 * (deviance - noise) / photons, 0), rel=0.1, abs=0.3 / photons)
        assert float(row[5]) < 3 or share < 0.2 or row[-1] != "good"
    assert "good wherever less than 0.2 % of the light is not explained" in picture.caption


def test_of_older_results_less_is_drawn(made):
    _, _, found = made
    older = replace(found, shells=None, trust=replace(trusted_(found, True).trust, fsc=None, prtf=None))
    with without_crystal():
        assert "Resolution and trust" not in [each.title for each in gather(older).pictures]


@pytest.mark.parametrize(("reached", "words"), [(True, "15.4 nm"), (False, "10 nm or better")])
def test_one_resolution_is_singled_out_and_the_others_stand_beside(reports, reached, words):
    report = reports[reached]
    table = next(each for each in report.tables if each.title == "Resolution")
    assert table.rows[0] == (
        "resolution",
        f"{words} (full period, FSC of two halves of the photons, half-bit)",
    )
    others = dict(table.rows[1:])
    assert others["strain, where it reproduces, full width at half maximum"] == "21.5 nm"
    widths = {f"edges, 10 to 90 %, where the surface faces {axis}" for axis in "xyz"}
    assert widths <= set(others)
    facts = dict(report.facts)
    assert facts["resolution"].startswith(words)
    assert "in nm: PRTF at 1/e" in facts["resolution"]
    assert facts["resolution"].endswith("strain 21.5 (full width at half maximum)")
    assert "along x (outboard), y (up), z (downstream)" in facts["|Q|"]
    assert facts["runs"].startswith("2 of 2 averaged; they correlate to 0.980; their first mode has 97.0 %")
    # of a single run the edges tell
    alone = dict(reports["alone"].facts)["resolution"]
    assert "width of the edges from 10 to 90 %" in alone
    assert "PRTF" not in alone


def test_the_strain_of_several_runs_is_drawn_with_its_error(reports):
    report = reports[True]
    picture = next(each for each in report.pictures if each.title == "Strain and its error")
    assert "at a resolution of 21.5 nm" in picture.caption
    # other maps are of single voxels, and say how far those reproduce
    for title in ("Surface", "Central slices"):
        for state, is_said in (("alone", False), (True, True)):
            caption = next(each for each in reports[state].pictures if each.title == title).caption
            assert (
                "single voxels, in which two halves of the photons correlate to 0.40 only" in caption
            ) == is_said
    titles = [axes.get_title() for axes in picture.figure.axes if axes.get_title()]
    assert titles == ["strain (%), relative to the mean", "its standard error (%)", "strain over its error"]
    runs = next(each for each in report.tables if each.title == "Runs")
    assert [row[1] for row in runs.rows] == ["seed", "0", "1"]
    assert runs.rows[1][runs.rows[0].index("seconds")] == "1.5"
    reproduced = dict(next(each for each in report.tables if each.title == "How far it reproduces").rows)
    assert reproduced["strain, standard deviation over the crystal (%)"] == "0.12"
    assert reproduced["strain, standard error of a voxel, root mean square (%)"] == "0.03"


def test_displacements_are_said_in_nm_and_in_angstrom(reports):
    report = reports["alone"]
    table = next(each for each in report.tables if each.title == "Displacement, bulk and surface")
    head, *rows = table.rows
    for row in rows:
        by_name = dict(zip(head[2:], map(float, row[2:]), strict=True))
        for name in ("std", "rms"):
            assert by_name[f"{name} (Å)"] == pytest.approx(10 * by_name[f"{name} (nm)"], rel=6e-3)
            assert by_name[f"{name} (nm)"] > 0
        # the mean of all is none, and no power of ten that rounding leaves
        assert row[0] != "all" or (row[2], row[3]) == ("0", "0")
    said = dict(report.facts)["displacement"]
    assert re.fullmatch(r".* nm \(standard deviation\), .* nm; .* Å \(standard deviation\), .* Å", said)


def test_facets_are_numbered_legibly_and_their_normals_have_a_frame(made):
    shown = made[2].quantities
    each = np.array_split(np.arange(len(shown.surface("strain").faces)), 3)
    values = ({"strain": (mean, 0.0), "displacement": (0.0, 0.0)} for mean in (1e-3, -1e-3, 0.0))
    up = np.array([0.0, 0.0, 1.0])
    found = [analysis.Facet(up, np.zeros(3), 1.0, 0.3, 0.1, *both) for both in zip(values, each, strict=True)]
    assert tables.facets(shown, found).rows[0][-1] == "normal x, y, z (laboratory)"
    texts = figures.facets(shown, found).axes[0].texts
    light = {
        text.get_text(): np.mean(to_rgb(text.get_color())) for text in texts if text.get_text().isdigit()
    }
    assert light == {"1": 1.0, "2": 1.0, "3": 0.0}  # on dark red, dark blue and white


def test_a_crystal_of_one_amplitude_and_one_of_one_voxel_have_a_report(made):
    """What is distributed over no width at all is drawn nevertheless."""
    _, _, found = made
    even = np.where(found.support, np.complex64(1), np.complex64(0))
    one = np.zeros(found.shape, bool)
    one[16, 16, 16] = True
    for changed in (replace(found, object=even), replace(found, object=even * one, support=one)):
        assert "Distributions" in [each.title for each in gather(changed).pictures]


def test_without_scan_or_geometry_it_says_so(made, tmp_path):
    _, _, found = made
    unknown = replace(found, voxel_steps_nm=None, q_bragg_per_nm=None, errors=np.zeros(0, np.float32))
    report = gather(unknown)
    titles = [each.title for each in report.pictures if each.title != "Facets"]
    assert titles == ["Surface", "Central slices", "Distributions", "Resolution and trust", "Diffraction"]
    assert "the scan is not at hand" in report.pictures[-1].caption
    assert "the geometry is unknown" in report.pictures[0].caption
    with pytest.raises(InputError, match=r"r\.docx"):
        write_report(found, tmp_path / "r.docx")
    other = simulate(7, 48).scan
    assert "another shape" in seen_.Seen.of(found, other).words


def test_the_command_finds_the_scan_again(made, tmp_path, monkeypatch, capsys):
    folder, _, _ = made
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(html, "png", lambda *_: b"")  # which takes long, and was looked at above
    with without_crystal():
        assert main(["report", str(folder / "r.cxi"), "--material", "Pt"]) == 0
        assert "wrote r.html" in capsys.readouterr().out
        text = (tmp_path / "r.html").read_text(encoding="utf-8")
        assert "Rocking curve" in text
        assert "absolute, against 0.226500 nm (Pt (1 1 1)" in text
        # a scan that was moved away is no reason to fail, and is named
        (folder / "s.h5").rename(folder / "moved.h5")
        assert main(["report", str(folder / "r.cxi"), "-o", "b.html"]) == 0
        assert "shows no data" in capsys.readouterr().err
        assert "the scan is not at hand" in (tmp_path / "b.html").read_text(encoding="utf-8")
        moved = ["--scan", str(folder / "moved.h5")]
        assert main(["report", str(folder / "r.cxi"), "-o", "c.html", *moved]) == 0
        assert "on one scale" in (tmp_path / "c.html").read_text(encoding="utf-8")
        (folder / "moved.h5").rename(folder / "s.h5")
        assert main(["report", str(folder / "r.cxi"), "-o", "c.txt"]) == 2
