"""Weights that Keras wrote: a tiny file in its layout, and its network computed a second time in NumPy."""

from itertools import pairwise, product

import h5py
import numpy as np
import pytest
import torch

from napari_autophase import network
from napari_autophase.network.autophasenn_keras import AutoPhaseNNKeras
from napari_autophase.scan import InputError

WIDTH = 2


def layers_of(width):
    """Channels in and out of the 28 convolutions, as the published graph numbers them; 26 are normalised."""
    n = width
    encoder = [1, n, n, 2 * n, 2 * n, 4 * n, 4 * n, 8 * n, 8 * n, 16 * n, 16 * n]
    amplitude = [16 * n, 8 * n, 8 * n, 4 * n, 4 * n, 2 * n, 2 * n, n, n, 1]
    phase = [16 * n, 4 * n, 4 * n, 4 * n, 4 * n, 2 * n, 2 * n, n, n, 1]
    return [pair for chain in (encoder, amplitude, phase) for pair in pairwise(chain)]


def random_layers(width=WIDTH, seed=0):
    """Return parameters by Keras's names for layers and weights."""
    rng = np.random.default_rng(seed)
    found = {}
    norms = 0
    for index, (inputs, outputs) in enumerate(layers_of(width)):
        name = "conv3d" + (f"_{index}" if index else "")
        found[name] = {
            "kernel:0": rng.normal(0, 1.5 * (27 * inputs) ** -0.5, (3, 3, 3, inputs, outputs)),
            "bias:0": rng.normal(0, 0.3, outputs),
        }
        if outputs > 1:
            found["batch_normalization" + (f"_{norms}" if norms else "")] = {
                "gamma:0": rng.uniform(0.5, 1.5, outputs),
                "beta:0": rng.normal(0, 0.3, outputs),
                "moving_mean:0": rng.normal(0, 0.3, outputs),
                "moving_variance:0": rng.uniform(0.5, 1.5, outputs),
            }
            norms += 1
    found["conv3d"]["kernel:0"] /= 100  # the input is a modulus of large numbers
    return {name: {k: v.astype(np.float32) for k, v in weights.items()} for name, weights in found.items()}


def write(path, layers, whole_model=True):
    """Write layers as Keras does: a group of the layer's name inside a group of the layer's name."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        root.attrs["layer_names"] = [name.encode() for name in ("input_1", *sorted(layers))]
        root.create_group("input_1").attrs["weight_names"] = np.zeros(0)
        for name, weights in sorted(layers.items()):  # the file's own order is the alphabet's
            group = root.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{key}".encode() for key in weights]
            for key, values in weights.items():
                group[f"{name}/{key}"] = values
        if whole_model:
            file["optimizer_weights/Adam/conv3d/kernel/m:0"] = np.zeros((3, 3, 3, 1, 5), np.float32)
    return path


# -- the same network in NumPy, channels last as in Keras, the last layers on the whole 64³ -----------------------------


def convolve(x, kernel, bias):
    padded = np.pad(x, [(1, 1)] * 3 + [(0, 0)])
    d, h, w = x.shape[:3]
    total = np.zeros((d, h, w, kernel.shape[-1])) + bias
    for a, b, c in product(range(3), repeat=3):
        total += padded[a : a + d, b : b + h, c : c + w] @ kernel[a, b, c]
    return total


def normalise(x, gamma, beta, mean, variance):
    return gamma * (x - mean) / np.sqrt(variance.astype(float) + 1e-3) + beta


def pool(x):
    d, h, w, channels = x.shape
    return x.reshape(d // 2, 2, h // 2, 2, w // 2, 2, channels).max((1, 3, 5))


def double(x):
    for axis in range(3):
        x = np.repeat(x, 2, axis)
    return x


def reference(layers, modulus):
    """Return amplitude and phase (64, 64, 64) before the threshold."""
    convolutions = iter([layers["conv3d" + (f"_{k}" if k else "")] for k in range(28)])
    norms = iter([layers["batch_normalization" + (f"_{k}" if k else "")] for k in range(26)])

    def block(x, slope):
        x = convolve(x, *next(convolutions).values())
        x = np.where(x > 0, x, slope * x)
        return normalise(x, *next(norms).values())

    x = modulus[..., None]
    for level in range(5):
        x = pool(x) if level else x
        x = block(block(x, 0.01), 0.01)
    code, outputs = x, []
    for _ in range(2):
        x = code
        for _ in range(3):
            x = block(block(double(x), 0.01), 0.01)
        x = np.pad(x, [(16, 16)] * 3 + [(0, 0)])
        x = block(block(x, 0.0), 0.0)
        outputs.append(convolve(x, *next(convolutions).values())[..., 0])
    return 1 / (1 + np.exp(-outputs[0])), np.pi * np.tanh(outputs[1])


def middle(volume):
    return volume[16:48, 16:48, 16:48]


def some_counts(seed=1):
    axis = np.arange(64) - 32
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    return np.random.default_rng(seed).poisson(1e5 / (1 + radius**3)).astype(np.float32)


@pytest.fixture(scope="module")
def expected():
    modulus = np.sqrt(some_counts().astype(float))
    # as if scattered by an object with a mean |ρ|² of 0.023 over the window
    modulus *= np.sqrt(0.023 / np.mean(np.abs(np.fft.ifftn(modulus)) ** 2))
    return tuple(middle(one) for one in reference(random_layers(), modulus))


@pytest.mark.parametrize("whole_model", [True, False], ids=["save", "save_weights"])
def test_a_keras_file_predicts_what_its_network_predicts(tmp_path, whole_model, expected):
    model = network.load(write(tmp_path / "w.hdf5", random_layers(), whole_model))
    amplitude, phase = expected
    assert 0.02 < np.mean(amplitude < 0.1) < 0.98, "or the threshold would not be tested"
    with torch.no_grad():
        (found,) = model.network.double()(torch.as_tensor(some_counts()).double()[None])
    np.testing.assert_allclose(0.1 + 0.1 * found.inside_logit[0].numpy(), amplitude, atol=1e-6)
    crystal = np.where(amplitude >= 0.1, amplitude, 0) * np.exp(1j * phase)
    sure = np.abs(amplitude - 0.1) > 1e-6
    np.testing.assert_allclose(found.object[0].numpy()[sure], crystal[sure], atol=2e-6)


def test_the_published_size():
    with torch.device("meta"):
        published = AutoPhaseNNKeras()
    assert sum(p.numel() for p in published.parameters() if p.requires_grad) == 24_703_202
    convolutions = [m for m in published.modules() if isinstance(m, torch.nn.Conv3d)]
    assert [(m.in_channels, m.out_channels) for m in convolutions] == layers_of(32)


def test_the_exposure_does_not_matter(tmp_path):
    model = network.load(write(tmp_path / "w.hdf5", random_layers()))
    counts = torch.as_tensor(some_counts())[None]
    with torch.no_grad():
        one, other = model.network(counts)[-1], model.network(1000 * counts)[-1]
    torch.testing.assert_close(one.object, other.object, rtol=1e-3, atol=1e-3)


def spoil(layers, **changes):
    for name, value in changes.items():
        if value is None:
            del layers[name]
        else:
            layers[name] |= value
    return layers


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"conv3d_5": {"kernel:0": np.zeros((3, 3, 3, 8, 7), np.float32)}},
         r"'kernel' of layer 'conv3d_5' is float32 \(3, 3, 3, 8, 7\), expected float \(3, 3, 3, 8, 8\)"),
        ({"conv3d_27": None}, "27 layers 'conv3d', expected 28; after 'conv3d_26' one is missing"),
        ({"batch_normalization_3": {"moving_variance:0": np.zeros(3, np.float32)}},
         "'moving_variance' of layer 'batch_normalization_3'"),
        ({"conv3d_2": {"bias:0": np.zeros(4, int)}}, "'bias' of layer 'conv3d_2' is int64"),
        ({"conv3d": None}, "'kernel' of layer 'conv3d_1' is"),  # then the second stands where the first should
    ],
)  # fmt: skip
def test_the_first_layer_that_does_not_fit_is_named(tmp_path, changes, says):
    file = write(tmp_path / "w.hdf5", spoil(random_layers(), **changes))
    with pytest.raises(InputError, match=says):
        network.load(file)


def test_one_layer_too_many(tmp_path):
    layers = random_layers()
    file = write(tmp_path / "w.hdf5", {**layers, "conv3d_28": layers["conv3d_27"]})
    with pytest.raises(InputError, match="'conv3d_28' is one too many"):
        network.load(file)


def test_values_that_are_no_numbers_are_refused(tmp_path):
    layers = random_layers()
    layers["conv3d_4"]["bias:0"][1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        network.load(write(tmp_path / "w.hdf5", layers))


def test_other_hdf5_files_are_refused(tmp_path):
    file = tmp_path / "scan.h5"
    with h5py.File(file, "w") as content:
        content["entry/data"] = np.zeros((4, 4, 4))
    with pytest.raises(InputError, match="no Keras layers 'conv3d'"):
        network.load(file)
    whole = write(tmp_path / "w.hdf5", random_layers()).read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        network.load(file)
