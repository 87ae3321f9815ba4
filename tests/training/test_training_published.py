"""The published crystals' files come back as the crystals that they hold, and no crystal is on two sides of a split."""

import math
import re
from contextlib import suppress

import numpy as np
import pytest
import torch

from napari_autophase.network.physics import propagate
from napari_autophase.scan import InputError
from napari_autophase.training import crystals
from napari_autophase.training.population import Population
from napari_autophase.training.published import PublishedCrystals, read_crystal


@pytest.fixture(scope="module")
def objects():
    """Crystals with nothing below the published threshold."""
    population = Population(phase_range=2.0, off_centre=0.0, extent=(10.0, 16.0), dislocations=0.0)
    drawn = crystals.simulate(3, crystals.stream("test", 5, 0), population).objects
    return torch.where(drawn.abs() < 0.1, 0, drawn)


def save(file, crystal):
    """Write a crystal as published: its centred far field on 32³ points."""
    np.save(file, np.fft.fftshift(np.fft.fftn(np.asarray(crystal))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, objects):
    """Variants, tiny, of 40 crystals: three files each, told apart by what follows the first underscore."""
    path = tmp_path_factory.mktemp("published")
    for number in range(40):
        for bright, variant in enumerate(("c0_0", "c0_1", "c1_0")):
            scale = 1 + number / 100 + bright / 1000  # so that files can be told apart
            save(path / f"{number}_{variant}_32.npy", objects[number % 3] * scale)
    return path


def test_files_hold_the_same_crystals(tmp_path, objects):
    for number, crystal in enumerate(objects):
        save(tmp_path / "one.npy", crystal)
        found = read_crystal(tmp_path / "one.npy")
        assert found.dtype == torch.complex64
        torch.testing.assert_close(found, crystal, atol=1e-5, rtol=0)
        # about the array's corner, or anywhere else: the bounding box goes to the middle
        save(tmp_path / "moved.npy", crystal.roll((16, -9, 5 * number), (0, 1, 2)))
        found = read_crystal(tmp_path / "moved.npy")
        steps = [
            (found.roll((i, j, k), (0, 1, 2)) - crystal).abs().max()
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        ]
        assert min(steps) < 1e-5  # an even number of planes has no middle one


def test_weak_amplitudes_are_empty(tmp_path):
    crystal = np.zeros((32, 32, 32), complex)
    crystal[10:23, 10:23, 10:23] = 0.09
    crystal[12:21, 12:21, 12:21] = 0.8j
    save(tmp_path / "one.npy", crystal)
    found = read_crystal(tmp_path / "one.npy").abs()
    assert int((found > 0).sum()) == 9**3
    assert found[16, 16, 16] == pytest.approx(0.8, abs=1e-5)


def test_batches_scatter_from_the_crystals_into_the_window(folder, objects):
    published = PublishedCrystals(folder)
    seen = 0
    for batch in published.batches("validation", seed=0, batch=4, population=None):
        seen += len(batch.counts)
        assert batch.counts.shape[1:] == (64, 64, 64)
        padded = np.pad(batch.objects[0].numpy(), 16)
        field = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(padded)))
        np.testing.assert_allclose(batch.counts[0], abs(field) ** 2, atol=1e-4 * abs(field).max() ** 2)
        for one, reach in zip(batch.objects, batch.phase_range, strict=True):
            known = [
                torch.corrcoef(torch.stack([one.abs().flatten(), o.abs().flatten()]))[0, 1] for o in objects
            ]
            assert sum(found > 0.998 for found in known) == 1
            assert 0 < reach < 2 * math.pi
    assert seen == len(published.files("validation"))


def test_noise_is_poisson_on_the_intensity(folder):
    population = Population(
        log10_peak=(4.0, 4.0), gaps=0, hot_pixels=0, background=0, partially_coherent=0, off_centre=0
    )
    drawn = next(PublishedCrystals(folder).batches("train", seed=0, batch=4, population=population))
    expected = propagate(drawn.objects).abs().square()
    expected = expected / expected.amax((1, 2, 3), keepdim=True) * 1e4
    lit = expected > 20
    assert ((drawn.counts - expected)[lit].square() / expected[lit]).mean() == pytest.approx(1, abs=0.1)


def test_no_crystal_is_on_two_sides_of_a_split(folder):
    published = PublishedCrystals(folder, validation=0.2, test=0.2)
    parts = {purpose: published.files(purpose) for purpose in crystals.PURPOSES}
    names = {purpose: {file.name.split("_")[0] for file in files} for purpose, files in parts.items()}
    assert sum(len(files) for files in parts.values()) == 120
    assert sum(len(found) for found in names.values()) == 40
    assert not names["train"] & names["validation"] | names["train"] & names["test"]
    assert all(len(files) % 3 == 0 for files in parts.values())
    assert len(parts["train"]) > len(parts["test"]) > 0


def test_files_keep_their_place_when_others_come(folder, tmp_path):
    before = PublishedCrystals(folder).files("test")
    for file in before:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert [file.name for file in PublishedCrystals(tmp_path).files("test")] == [file.name for file in before]


def test_epochs_are_shuffled_by_the_seed_and_complete(folder):
    published = PublishedCrystals(folder)

    def order(seed, epochs=1):
        got = published.batches("test", seed, 5, None, epochs)
        return [float(b) for batch in got for b in batch.counts.sum((1, 2, 3))]

    assert order(0) == order(0)
    assert order(0) != order(1)
    two = order(0, epochs=2)
    half = len(two) // 2
    assert half == len(published.files("test"))
    assert two[:half] != two[half:]
    assert sorted(two[:half]) == pytest.approx(sorted(two[half:]), rel=1e-4)


def test_names_can_be_read_otherwise(tmp_path, objects):
    for number in range(12):
        save(tmp_path / f"crystal_{number:02}_a.npy", objects[0])
    together = PublishedCrystals(tmp_path)  # all are variants of 'crystal'
    sizes = []
    for purpose in crystals.PURPOSES:
        with suppress(InputError):
            sizes.append(len(together.files(purpose)))
    assert sizes == [12]
    with pytest.raises(InputError, match="too few"):
        [together.files(purpose) for purpose in crystals.PURPOSES]
    apart = PublishedCrystals(tmp_path, crystal=r"crystal_\d+", test=0.3)
    assert 0 < len(apart.files("test")) < 12


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (np.zeros((32, 32, 32)), "float64 (32, 32, 32)"),
        (np.zeros((16, 32, 32), complex), "complex128 (16, 32, 32)"),
        (np.full((32, 32, 32), np.nan, complex), "not finite"),
        (np.ones((32, 32, 32), complex) * 1e-3, "is empty"),
        (np.array([{"a": 1}], dtype=object), "cannot be read"),
        (b"not an array", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_malformed_files_fail_with_one_sentence(tmp_path, content, says):
    file = tmp_path / "1_c0_0_32.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, content, allow_pickle=True)
    with pytest.raises(InputError, match=re.escape(says)) as raised:
        next(PublishedCrystals(tmp_path, validation=0, test=0).batches("train", 0, 1))
    assert "\n" not in str(raised.value)


def test_wrong_choices_are_refused(tmp_path, folder):
    for arguments, says in (
        ({"folder": tmp_path / "none"}, "no .npy files"),
        ({"folder": folder, "crystal": "(["}, "regular expression"),
        ({"folder": folder, "crystal": "gold"}, "names no crystal"),
        ({"folder": folder, "test": 0.9, "validation": 0.2}, "shares"),
    ):
        with pytest.raises(InputError, match=says):
            PublishedCrystals(**arguments)
    with pytest.raises(InputError, match="train, validation, test"):
        PublishedCrystals(folder).files("training")
