"""Results of other programs: axes, sign, voxels and Q come out as they were, and what was assumed is said."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import foreign_results as foreign
import h5py
import numpy as np
import pytest

from napari_autophase import formats
from napari_autophase.analysis import compare_results, strain
from napari_autophase.cli.inputs import GeometryChoice
from napari_autophase.cli.results import read_result
from napari_autophase.recipe import Recipe
from napari_autophase.reconstruction import Reconstruction
from napari_autophase.scan import InputError

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
real = pytest.mark.skipif(not DATA.exists(), reason="the real scans are not here")


def strain_of(found: Reconstruction, steps, q) -> tuple[np.ndarray, np.ndarray]:
    """Strain in the core of the crystal, and what it must be: BEND times the place along Q."""
    inside = np.abs(found.object) > 0.6
    got = strain(found.object, inside, steps, q)
    index = np.indices(found.shape) - np.array(found.shape)[:, None, None, None] // 2
    expected = foreign.BEND * np.tensordot(q / np.linalg.norm(q), np.tensordot(steps, index, 1), 1)
    core = inside & np.isfinite(got)
    return got[core], expected[core]


def assert_strain(found: Reconstruction, steps=None, q=None) -> None:
    got, expected = strain_of(
        found, found.voxel_steps_nm if steps is None else steps, found.q_bragg_per_nm if q is None else q
    )
    assert len(got) > 500
    assert np.corrcoef(got, expected)[0, 1] > 0.97
    assert np.polyfit(expected, got, 1)[0] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("modes", [False, True])
def test_pynx_has_our_sign_and_says_its_phased_grid(tmp_path, modes):
    foreign.pynx(tmp_path / "a.cxi", modes)
    found = formats.read(tmp_path / "a.cxi")
    assert_strain(found, foreign.STEPS, foreign.Q)
    assert found.phased_shape == (60, 50, 40)
    assert found.metadata["energy_kev"] == pytest.approx(9.0)
    assert found.metadata["pixel_size_um"] == (55.0, 55.0)
    notes = " ".join(found.notes)
    assert "PyNX 2025.1, whose Fourier sign is ours" in notes
    assert "60 × 50 × 40" in notes
    if modes:
        assert "first mode of 3 runs and has 95.0 %" in notes
        assert found.figures["first_mode"] == pytest.approx(0.95)
    else:
        assert found.figures["free_llk_poisson"] == 0.5


@pytest.mark.parametrize("inside", ["", "image.npy"])
def test_coheres_folder_is_turned_and_conjugated(tmp_path, inside):
    folder = tmp_path / "Au_54" / "results_phasing"
    foreign.cohere(folder)
    found = formats.read(folder / inside)
    assert found.shape == foreign.SHAPE
    assert_strain(found, foreign.STEPS, foreign.Q)
    # the detector sees the ifft of cohere's array, and must see the same moduli in the fft of ours
    seen = np.abs(np.fft.ifftn(np.load(folder / "image.npy"))).transpose()
    np.testing.assert_allclose(
        np.abs(np.fft.fftn(found.object)), seen * found.object.size, rtol=1e-3, atol=1e-2
    )
    assert found.name == "Au_54"
    assert found.iterations == 3
    np.testing.assert_array_equal(found.errors, [0.5, 0.25, 0.125])
    np.testing.assert_array_equal(found.support, foreign.amplitude() > 0.2)
    assert (
        "cohere, whose Fourier sign is not ours (ifft: phase = +Q·u): it is conjugated here" in found.notes[0]
    )
    assert formats.recognise(folder) == "cohere"


@pytest.mark.parametrize("convention", ["cxi", "xu"])
def test_cdiutils_has_voxels_q_and_the_other_sign(tmp_path, convention):
    path = tmp_path / "S11_postprocessed_data.cxi"
    foreign.cdiutils(path, convention)
    found = formats.read(path)
    np.testing.assert_allclose(found.q_bragg_per_nm, foreign.Q)
    np.testing.assert_allclose(np.sort(found.voxel_size_nm), [7.0, 7.5, 8.0])
    assert_strain(found)
    assert found.metadata["reflection"] == (1, 1, 1)
    notes = " ".join(found.notes)
    assert "cdiutils 0.2.0, whose Fourier sign is not ours" in notes
    assert "Geometry unknown" not in notes
    assert "mean lattice is not in the object" in notes


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("inverted", [True, False])
def test_bcdi_says_by_its_parameters_which_sign(tmp_path, suffix, inverted):
    path = tmp_path / f"S11_ampdispstrain_crystalframe{suffix}"
    foreign.bcdi(path, inverted)
    found = formats.read(path)
    np.testing.assert_allclose(found.q_bragg_per_nm, [0, np.linalg.norm(foreign.Q), 0])
    assert found.voxel_size_nm == pytest.approx((8.0, 7.0, 6.0))
    assert_strain(found)
    assert f"invert_phase {inverted}" in found.notes[0]
    assert found.frame == "crystal"


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat"])
def test_a_complex_array_opens_and_says_that_its_sign_is_assumed(tmp_path, suffix):
    path = tmp_path / f"object{suffix}"
    if suffix == ".npy":
        np.save(path, foreign.ours())
    elif suffix == ".npz":
        np.savez(path, obj=foreign.ours(), support=foreign.amplitude() > 0.2)
    else:
        from scipy.io import savemat

        savemat(
            path,
            {
                "obj": np.moveaxis(foreign.ours(), 0, 2),
                "x": 1.0,
                "support": np.moveaxis(foreign.amplitude() > 0.2, 0, 2),
            },
        )
    found = formats.read(path)
    np.testing.assert_array_equal(found.object, foreign.ours())
    assert_strain(found, foreign.STEPS, foreign.Q)
    if suffix != ".npy":
        np.testing.assert_array_equal(found.support, foreign.amplitude() > 0.2)
    assert "sign is not recorded" in found.notes[0]
    assert "--conjugate" in found.notes[0]
    # said to be of the other sign, the strain is too
    turned = read_result(str(path), GeometryChoice(), conjugate=True)
    np.testing.assert_array_equal(turned.object, foreign.ours().conj())
    with pytest.raises(InputError, match="complex"):
        formats.read_scan(path)


def test_matlab_73_has_complex_numbers_in_pairs(tmp_path):
    path = tmp_path / "object.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        stored = np.moveaxis(foreign.ours(), 0, 2).transpose()
        pairs = np.zeros(stored.shape, [("real", "f8"), ("imag", "f8")])
        pairs["real"], pairs["imag"] = stored.real, stored.imag
        file["obj"] = pairs
    content = bytearray(path.read_bytes())
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64"
    content[: len(head)] = head
    path.write_bytes(content)
    np.testing.assert_array_equal(formats.read(path).object, foreign.ours())


def matlab_73(path, **arrays):
    """As MATLAB's ``save -v7.3``: axes the other way round, complex numbers in pairs."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            stored = values.transpose()
            pairs = np.zeros(stored.shape, [("real", "f8"), ("imag", "f8")])
            pairs["real"], pairs["imag"] = stored.real, stored.imag
            file[name] = pairs
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")


def matlab_5(path, **arrays):
    from scipy.io import savemat

    savemat(path, arrays)


@pytest.mark.parametrize("save", [matlab_5, matlab_73])
def test_the_axes_of_a_crystal_from_matlab_are_said_and_can_be_said_otherwise(tmp_path, save):
    """Python's programs write frames first, MATLAB's own last."""
    save(tmp_path / "m.mat", obj=foreign.ours())
    wrong = read_result(str(tmp_path / "m.mat"), GeometryChoice())
    assert wrong.shape != foreign.SHAPE
    (said,) = (note for note in wrong.notes if "MATLAB" in note)
    how = re.search(r"--axes (\d,\d,\d)", said)[1]
    found = read_result(str(tmp_path / "m.mat"), GeometryChoice(), axes=how)
    np.testing.assert_array_equal(found.object, foreign.ours())
    assert found.support.shape == foreign.SHAPE
    assert f"in the order {how}, as was said." in found.notes[-1]
    for nonsense in ("0,1", "0,1,1", "a"):
        with pytest.raises(InputError, match="--axes"):
            read_result(str(tmp_path / "m.mat"), GeometryChoice(), axes=nonsense)


def test_axes_that_a_file_says_are_not_said_otherwise(tmp_path):
    foreign.cdiutils(tmp_path / "c.cxi")
    with pytest.raises(InputError, match="says which of its axes are which; leave --axes out"):
        read_result(str(tmp_path / "c.cxi"), GeometryChoice(), axes="2,0,1")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".h5", "73.mat"])
def test_complex_numbers_that_are_no_volume_are_refused_as_such(tmp_path, suffix):
    path, image = tmp_path / f"image{suffix}", foreign.ours()[16]
    if suffix == ".npy":
        np.save(path, image)
    elif suffix == ".npz":
        np.savez(path, obj=image)
    elif suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["entry_1/image_1/data"] = image
    else:
        (matlab_73 if "73" in suffix else matlab_5)(path, obj=image)
    with pytest.raises(
        InputError, match=r"complex numbers of shape \(\d+, \d+\); a crystal is a complex volume"
    ):
        formats.read(path)


@pytest.mark.parametrize("modes", [1, 2])
@pytest.mark.parametrize("suffix", [".npy", ".h5"])
def test_of_modes_the_first_is_read_whatever_axes_of_length_one_stand_before_them(tmp_path, suffix, modes):
    path, whole = tmp_path / f"modes{suffix}", np.stack([foreign.ours()] * modes)[None]
    if suffix == ".npy":
        np.save(path, whole)
    else:
        with h5py.File(path, "w") as file:
            file["entry_1/image_1/data"] = whole
    found = formats.read(path)
    np.testing.assert_array_equal(found.object, foreign.ours())
    assert ("This is the first of 2 modes." in found.notes) == (modes == 2)


def test_what_is_wrong_with_a_result_is_said(tmp_path):
    np.save(tmp_path / "zero.npy", np.zeros(foreign.SHAPE, np.complex64))
    with pytest.raises(InputError, match="zero or no number everywhere: there is no crystal in it; give"):
        formats.read(tmp_path / "zero.npy")
    foreign.cohere(tmp_path / "c")
    np.save(tmp_path / "c/support.npy", np.ones((16, 16, 16)))
    with pytest.raises(InputError, match="support has shape"):
        formats.read(tmp_path / "c")
    np.save(tmp_path / "c/image.npy", np.ones((16, 16, 16)))
    with pytest.raises(InputError, match="not the complex volume that cohere writes"):
        formats.read(tmp_path / "c")
    (tmp_path / "c/image.npy").write_bytes(b"\x93NUMPY cut")
    with pytest.raises(InputError, match="damaged"):
        formats.read(tmp_path / "c")
    foreign.bcdi(tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz", allow_pickle=True) as archive:
        kept = {key: archive[key] for key in archive if key != "phase"}
    np.savez(tmp_path / "b.npz", **kept)
    with pytest.raises(InputError, match="not both its amplitude and its phase"):
        formats.read(f"{tmp_path / 'b.npz'}::amp")


def test_values_that_are_not_finite_are_nothing(tmp_path):
    """Outside the support some write NaN."""
    made = np.where(foreign.amplitude() > 0.2, foreign.ours(), np.nan)
    np.save(tmp_path / "a.npy", made)
    found = formats.read(tmp_path / "a.npy")
    assert np.isfinite(found.object).all()
    np.testing.assert_array_equal(found.object != 0, foreign.amplitude() > 0.2)


@real
def test_pynx_and_cohere_found_the_same_gold_crystal(tmp_path):
    """Two programs, two signs, two orders of axes, two phased grids: the comparison resolves all of it."""
    with np.load(DATA / "34idc_Au_S0054/reference_cohere/image_support.npz") as archive:
        folder = tmp_path / "gold/results_phasing"
        folder.mkdir(parents=True)
        np.save(folder / "image.npy", archive["image"])
        np.save(folder / "support.npy", archive["support"])
    cohere = formats.read(folder)
    pynx = formats.read(DATA / "34idc_Au_S0054/reference_pynx/best_run.cxi")
    assert cohere.shape == (200, 128, 128)
    assert pynx.phased_shape == (196, 128, 128)
    found = compare_results(pynx, cohere)
    assert found.figures["correlation"] > 0.95
    assert "196 × 128 × 128 and 200 × 128 × 128" in found.notes[0]
    # not conjugated, one would be the other's mirror image in phase
    wrong = replace(cohere, object=cohere.object.conj())
    assert compare_results(pynx, wrong).figures["phase_correlation"] < 0.5


@real
def test_the_published_platinum_modes_open_in_bcdis_geometry():
    """Spacing, voxel edges and the laboratory's extents as bcdi has them (README beside the data)."""
    folder = DATA / "id01_Pt_S11_recon"
    said = ["geometry.detector_angles_deg=0.4864,35.3627", "geometry.rocking_step_deg=0.01015"]
    choice = GeometryChoice.of(folder / "S11_config_postprocessing.yml", None, said)
    found = read_result(str(folder / "S11_modes_252_420_392_prebinning_1_1_1.h5"), choice)
    assert found.phased_shape == (252, 420, 392)
    assert 2 * np.pi / np.linalg.norm(found.q_bragg_per_nm) == pytest.approx(0.22677, abs=2e-5)
    assert found.voxel_size_nm == pytest.approx((5.33, 3.17, 3.24), abs=0.01)
    np.testing.assert_allclose(np.linalg.norm(found.voxel_steps_nm, axis=1), [3.24, 4.32, 4.45], atol=0.01)
    assert found.figures["first_mode"] == pytest.approx(0.9928, abs=1e-3)
    assert found.recipe == Recipe()
