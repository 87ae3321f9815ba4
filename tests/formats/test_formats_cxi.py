"""Reconstructions as CXI: everything comes back, nothing is half-written, other programs' files are told apart."""

from __future__ import annotations

import os
from dataclasses import fields

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_autophase import formats
from napari_autophase.evidence import Trust
from napari_autophase.recipe import PRESETS, Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import Geometry, InputError, Scan

SHAPE = (16, 18, 20)


def make(
    shape=SHAPE, *, known=True, preset="fast", notes=("Two frames were masked – see above.", "Zweite\nZeile")
):
    rng = np.random.default_rng(0)
    found = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return Reconstruction(
        object=found.astype(np.complex64),
        support=rng.random(shape) > 0.5,
        recipe=Recipe.from_preset(preset).with_settings({"seed": 2**40 + 1, "refine.algorithm": "10*ER"}),
        figures={"chi2": 0.0123456789, "free_llk": 1.5, "fsc_nm": float("inf")},
        errors=rng.random(10).astype(np.float32),
        iterations=10,
        seconds={"read": 0.25, "prepare": 0.5, "total": 0.75},
        geometry=Geometry(9.0, 0.5, (55.0, 110.0), 0.005, (32.0, 12.0)) if known else None,
        voxel_steps_nm=np.array([[10.0, 0, 3], [0, 12, 0], [1, 0, 15]]) if known else None,
        q_bragg_per_nm=np.array([1.0, 20.0, -3.0]) if known else None,
        peak=(8.0, 7.0, 9.5) if known else None,
        name="gold Å",
        source="/somewhere/scan.h5::/entry/data",
        device="cuda:0",
        weights_sha256="ab" * 32 if known else None,
        versions={"napari-autophase": "0.1.0", "torch": "2.13.0+cpu"},
        notes=notes,
        verdict="Converged – as far as one can say." if known else "",
        trust=make_trust(rng, shape) if known else None,
        shown={"threshold": 0.4, "colour_by": "strain"} if known else {},
    )


def make_trust(rng, shape) -> Trust:
    strain, *errors = rng.normal(size=(4, *shape)).astype(np.float32)
    strain[0] = np.nan
    rows = ({"seed": 7.0, "share": 0.0, "chi2": 0.1}, {"seed": 8.0, "share": 2.0, "chi2": 0.3})
    return Trust(strain, *errors, figures={"agreement": 0.5, "fsc_resolution": 20.0}, runs=rows, unit="nm")


def assert_equal(one, other) -> None:
    for each in fields(one):
        if each.name == "path":  # where it stands now, not what it holds
            continue
        a, b = getattr(one, each.name), getattr(other, each.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype, each.name
            np.testing.assert_array_equal(a, b, err_msg=each.name)
        elif isinstance(a, Trust):
            assert_equal(a, b)
        else:
            assert a == b, each.name
            assert type(a) is type(b), each.name


@settings(max_examples=8)
@given(
    shape=st.tuples(*[st.integers(16, 20)] * 3),
    known=st.booleans(),
    preset=st.sampled_from(PRESETS),
    notes=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=3
    ).map(tuple),
)
def test_every_field_comes_back(tmp_path_factory, shape, known, preset, notes):
    path = tmp_path_factory.mktemp("cxi") / "result.cxi"
    result = make(shape, known=known, preset=preset, notes=notes)
    formats.write(result, path)
    assert_equal(result, formats.read(path))
    assert_equal(result, formats.read_reconstruction(path))
    assert formats.recognise(path) == "cxi"


def test_layout_is_that_of_pynx(tmp_path):
    result = make()
    formats.write(result, tmp_path / "a.cxi")
    with h5py.File(tmp_path / "a.cxi") as file:
        assert file["cxi_version"][()] == 150
        image = file["entry_1/image_1"]
        assert (image.attrs["NX_class"], image.attrs["signal"]) == ("NXdata", "data")
        assert image["data"].dtype == np.complex64
        assert (image["data"].compression, image["data"].shuffle) == ("gzip", True)
        assert image["mask"].dtype == np.int8
        assert image.get("support", getlink=True).path == "/entry_1/image_1/mask"
        assert file["entry_1/data_1/data"] == image["data"]
        assert (image["data_type"][()], image["data_space"][()]) == (b"electron density", b"real")
        np.testing.assert_allclose(image["image_size"], np.multiply(result.voxel_size_nm, SHAPE) * 1e-9)
        detector = file["entry_1/instrument_1/detector_1"]
        assert detector["distance"][()] == 0.5
        assert detector["x_pixel_size"][()] == pytest.approx(110e-6)
        assert detector["y_pixel_size"][()] == pytest.approx(55e-6)
        energy = file["entry_1/image_1/instrument_1/source_1/energy"]
        assert energy[()] / 1.602176634e-16 == pytest.approx(9)
        assert energy.attrs["units"] == "J"
        process = image["process_1"]
        assert process["program"][()] == b"napari-autophase"
        assert process["configuration/iobs_shape"][()].tolist() == list(SHAPE)
        assert Recipe.from_json(process["configuration/recipe"][()].decode()) == result.recipe
        assert process["results/free_llk"][()] == 1.5


def test_only_cxi_is_written(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.cxi"):
        formats.write(make(), tmp_path / "a.h5")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.cxi"
    formats.write(make(), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        formats.write(make(preset="best"), path)
    monkeypatch.undo()
    monkeypatch.setattr(
        h5py.Group, "create_dataset", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        formats.write(make(preset="best"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "folder.cxi").mkdir()
    for place in ("nowhere/a.cxi", "file/a.cxi", "folder.cxi"):
        with pytest.raises(InputError, match="cannot be written"):
            formats.write(make(), tmp_path / place)
    path = tmp_path / "kept.cxi"
    path.write_text("precious")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="write-protected"):
        formats.write(make(), path)
    assert path.read_text() == "precious"
    assert {each.name for each in tmp_path.iterdir()} == {"file", "folder.cxi", "kept.cxi"}


def test_written_files_have_the_usual_permissions_and_links_stay(tmp_path):
    (tmp_path / "plain").touch()
    formats.write(make(), tmp_path / "real.cxi")
    assert (tmp_path / "real.cxi").stat().st_mode == (tmp_path / "plain").stat().st_mode
    (tmp_path / "link.cxi").symlink_to(tmp_path / "real.cxi")
    formats.write(make(preset="best"), tmp_path / "link.cxi")
    assert (tmp_path / "link.cxi").is_symlink()
    assert formats.read(tmp_path / "real.cxi").recipe.preset == "best"


def test_scans_and_reconstructions_are_not_mistaken(tmp_path):
    formats.write(make(), tmp_path / "result.cxi")
    formats.write_scan(Scan.from_array(np.ones(SHAPE)), tmp_path / "scan.cxi")
    np.save(tmp_path / "scan.npy", np.ones(SHAPE))
    with pytest.raises(InputError, match="is a reconstruction, not a scan"):
        formats.read_scan(tmp_path / "result.cxi")
    for name in ("scan.cxi", "scan.npy"):
        with pytest.raises(InputError, match="open it as a scan"):
            formats.read_reconstruction(tmp_path / name)


def test_an_object_of_another_program(tmp_path):
    """No support, no process, two modes: the first mode, a support from the amplitude, and notes that say so."""
    rng = np.random.default_rng(1)
    modes = (rng.random((2, *SHAPE)) * np.exp(1j * rng.random((2, *SHAPE)))).astype(np.complex64)
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/image_1/data"] = modes
    result = formats.read(tmp_path / "a.cxi")
    np.testing.assert_array_equal(result.object, modes[0])
    np.testing.assert_array_equal(result.support, abs(modes[0]) > 0.1 * abs(modes[0]).max())
    notes = " ".join(result.notes)
    for said in (
        "sign is not recorded",
        "first of 2 modes",
        "no support",
        "default, not the one",
        "Geometry unknown",
    ):
        assert said in notes
    assert result.geometry is None
    assert "chi2" not in result.figures


def test_a_support_of_another_shape(tmp_path):
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/image_1/data"] = np.ones(SHAPE, np.complex64)
        file["entry_1/image_1/mask"] = np.ones((16, 16, 16), np.int8)
    with pytest.raises(InputError, match="support has shape"):
        formats.read(tmp_path / "a.cxi")


@pytest.mark.parametrize(
    ("recipe", "said"),
    [('{"speed": "warp"}', "speed=warp"), ('{"refine": {"starts": -5}}', "refine.starts=-5")],
)
def test_a_result_whose_recipe_another_program_wrote_opens_and_says_so(tmp_path, recipe, said):
    formats.write(make(), tmp_path / "a.cxi")
    with h5py.File(tmp_path / "a.cxi", "a") as file:
        configuration = file["entry_1/image_1/process_1/configuration"]
        del configuration["recipe"]
        configuration["recipe"] = recipe
    (note,) = (one for one in formats.read(tmp_path / "a.cxi").notes if one.startswith("Another version"))
    assert note.endswith(f"this one does not know {said}.")
