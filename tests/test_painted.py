"""A mask that a person painted: in the scan, in its notes, in a result's file, and in its repetition."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_autophase import export, formats, painted
from napari_autophase.preparation import WHY, prepare, why_masked
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruct import run
from napari_autophase.repeat import record, reread
from napari_autophase.scan import InputError, Scan
from napari_autophase.simulation import simulate

QUICK = Recipe.from_preset("iterative").with_settings(
    {"refine.algorithm": "4*ER", "refine.starts": 1, "seed": 3, "backend": "torch"}
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A small scan of which three rows came masked."""
    path = tmp_path_factory.mktemp("painted") / "crystal.h5"
    scan = simulate(3, 32, oversampling=(2.5, 2.5, 2.5)).scan
    mask = np.zeros(scan.shape, bool)
    mask[:, :3] = True
    formats.write_scan(replace(scan, mask=mask), path)
    return path


def a_stripe(shape):
    stripe = np.zeros(shape, bool)
    stripe[:, :6, 4:9] = True
    return stripe


def test_what_is_painted_adds_to_what_came_masked_and_is_given_back(file):
    scan = formats.read_scan(file)
    better = painted.over(scan, a_stripe(scan.shape).astype(np.uint8) * 7)
    assert better.mask[:, :3].all()
    assert better.mask[:, 3:6, 4:9].all()
    assert better.mask.sum() == 32 * (3 * 32 + 3 * 5)
    assert better.painted.sum() == 32 * 3 * 5, "of the stripe, what did not come masked"
    other = np.zeros(scan.shape, bool)
    other[5, 20, 20] = True
    again = painted.over(better, other)
    assert again.mask.sum() == 32 * 3 * 32 + 1
    bare = painted.over(again, None)
    np.testing.assert_array_equal(bare.mask, scan.mask)
    assert (bare.painted, bare.origin) == (None, scan.origin)


def test_it_is_said_apart_from_what_came_masked(file):
    scan = formats.read_scan(file)
    notes = prepare(painted.over(scan, a_stripe(scan.shape))).notes
    assert (
        "In all, 3,072 voxels came masked with the scan: its masks, lost frames, NaN and negative counts."
        in notes
    )
    assert "Masked 480 voxels that a person painted." in notes
    assert not any("painted" in note for note in prepare(scan).notes)


def test_why_a_voxel_is_masked():
    counts = np.random.default_rng(0).poisson(0.2, (24, 24, 24))
    counts[8:16, 8:16, 8:16] += 500
    counts[3, 4, 5] = 90_000  # alone: hot
    counts[:, 20, 21] = 0
    counts[:, 20, 21:23] = 0
    mask = np.zeros(counts.shape, bool)
    mask[:, :, 0] = True
    stripe = np.zeros(counts.shape, bool)
    stripe[:, 22] = True
    why = why_masked(painted.over(Scan(counts, mask), stripe))
    assert (WHY[why[3, 4, 5]], WHY[why[2, 3, 0]], WHY[why[2, 22, 3]], WHY[why[12, 12, 12]]) == (
        "hot",
        "came masked",
        "painted",
        "",
    )
    assert WHY[why[2, 22, 0]] == "came masked", "which it was before"


def test_a_result_keeps_it_and_the_scan_is_read_again_with_it(file, tmp_path):
    scan = painted.over(formats.read_scan(file), a_stripe((32, 32, 32)))
    found = run(scan, QUICK, lambda _: None)
    assert "Masked 480 voxels that a person painted." in found.notes
    export.write(found, tmp_path / "r.cxi")
    (tmp_path / "r.json").write_text(json.dumps(found.report()))
    for name in ("r.cxi", "r.json"):
        again = reread(record(tmp_path / name))
        np.testing.assert_array_equal(again.mask, scan.mask)
        np.testing.assert_array_equal(again.painted, scan.painted)
        assert again.origin == scan.origin


def test_another_shape_is_refused(file):
    scan = formats.read_scan(file)
    with pytest.raises(InputError, match=r"shape \(32, 32, 31\) but crystal has \(32, 32, 32\)"):
        painted.over(scan, np.ones((32, 32, 31), bool))


@pytest.mark.parametrize("shape", [(16, 17, 19), (1, 1, 3), (32, 32, 32)])
def test_as_text_and_back(shape):
    mask = np.random.default_rng(1).random(shape) < 0.3
    np.testing.assert_array_equal(painted.unpacked(painted.packed(mask), shape), mask)


@pytest.mark.parametrize("text", ["", "no text", "AAAA", painted.packed(np.ones((9, 9, 9), bool))])
def test_a_text_that_is_no_mask_is_said(text):
    with pytest.raises(InputError, match="painted mask cannot be read"):
        painted.unpacked(text, (16, 16, 16))
