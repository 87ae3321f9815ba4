"""What is said of a scan, on the command line and in the panel alike."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from napari_autophase import cli, formats
from napari_autophase.recipe import Recipe
from napari_autophase.scan import Geometry, InputError, Scan
from napari_autophase.simulation import simulate
from napari_autophase.summary import summarise

SIZE, SIDE = 48, 16
GEOMETRY = Geometry(
    energy_kev=9.0,
    distance_m=0.5,
    pixel_size_um=(55.0, 55.0),
    rocking_step_deg=0.02,
    detector_angles_deg=(20.0, 30.0),
)


def box() -> np.ndarray:
    """The counts of a box of 16 voxels a side on a grid of 48, its peak in the middle."""
    crystal = np.zeros((SIZE,) * 3)
    crystal[:SIDE, :SIDE, :SIDE] = 1
    intensity = np.abs(np.fft.fftshift(np.fft.fftn(crystal))) ** 2
    return np.random.default_rng(0).poisson(1e5 * intensity / intensity.max()).astype(np.int32)


def test_a_box_without_geometry():
    counts = box()
    mask = np.zeros(counts.shape, bool)
    mask[:, 40, :] = True
    found = summarise(Scan.from_array(counts, "box", mask=mask))
    assert (found.name, found.shape, found.dtype) == ("box", (SIZE,) * 3, "int32")
    assert (found.counts, found.maximum) == (counts[~mask].sum(), counts.max())
    assert np.round(found.peak).tolist() == [SIZE // 2] * 3
    assert SIZE**2 <= found.masked < 1.01 * SIZE**2
    assert found.oversampling == pytest.approx([SIZE / SIDE] * 3, rel=0.15)
    assert found.voxel_size_nm is found.q_bragg_per_nm is found.spacing_nm is None


def test_the_lattice_spacing_is_braggs():
    """d = λ/(2 sin θ), where 2θ is the angle between the arm and the beam."""
    found = summarise(Scan.from_array(box(), geometry=GEOMETRY))
    two_theta = np.arccos(np.cos(np.radians(20)) * np.cos(np.radians(30)))
    assert found.spacing_nm == pytest.approx(1.239842 / 9 / (2 * np.sin(two_theta / 2)), rel=1e-3)
    # a detector of 48 pixels of 55 µm at 0.5 m resolves λ D / (48 · 55 µm), across the beam
    assert found.voxel_size_nm is not None
    assert max(found.voxel_size_nm[1:]) == pytest.approx(1.239842 / 9 * 0.5 / (SIZE * 55e-6), rel=0.3)


def test_the_command_line_says_the_same(tmp_path, capsys):
    formats.write_scan(Scan.from_array(box(), geometry=GEOMETRY), tmp_path / "box.h5")
    assert cli.main(["info", str(tmp_path / "box.h5"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    found = summarise(formats.read_scan(tmp_path / "box.h5"))
    assert said["kind"] == "scan"
    assert said["geometry"] == json.loads(json.dumps(asdict(GEOMETRY)))
    for name in ("shape", "counts", "peak", "masked", "oversampling", "voxel_size_nm", "spacing_nm", "notes"):
        value = getattr(found, name)
        assert said[name] == (list(value) if isinstance(value, tuple) else value)


def test_the_background_is_said_as_a_reconstruction_takes_it(tmp_path, capsys):
    counts = simulate(3, 64, peak=1e5, background=2.0).scan.counts
    np.save(tmp_path / "scan.npy", counts)
    levels = np.linspace(1, 3, 64)
    np.savetxt(tmp_path / "levels.txt", levels)
    recipe = Recipe().with_settings({"model.background": str(tmp_path / "levels.txt")})
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())

    def said(*more):
        assert cli.main(["info", str(tmp_path / "scan.npy"), "--json", *more]) == 0
        return json.loads(capsys.readouterr().out)

    found = said()
    assert found["background"]["kind"] == "flat"
    assert found["background"]["photons_per_voxel"] == pytest.approx(2, rel=0.1)
    assert any("flat background of 2" in note for note in found["notes"])
    assert said("--set", "model.background=off")["background"] == {"kind": "off", "photons_per_voxel": 0.0}
    framed = said("--recipe", str(tmp_path / "recipe.json"))["background"]
    assert framed["kind"] == "frames"
    assert framed["photons_per_voxel"] == pytest.approx(2, rel=1e-6)
    assert cli.main(["info", str(tmp_path / "scan.npy")]) == 0
    assert "background  kind flat, photons_per_voxel" in capsys.readouterr().out


def test_what_cannot_be_phased_is_said():
    with pytest.raises(InputError):
        summarise(Scan.from_array(np.ones((SIZE,) * 3), mask=np.ones((SIZE,) * 3, bool)))
