"""Everything that is to be known of a GPU, in order of worth, in the minutes that there are.

    python benchmarks/gpu.py --minutes 30 -o OUT [--device cuda] [--train-minutes 60]

For a machine that is lent for a while: beside this package (``PYTHONPATH=src``) it needs torch, numpy, scipy, h5py and numba,
and wheels that are carried along: pydantic, pydantic-core, annotated-types, typing-inspection, typing-extensions, safetensors,
psutil, hdf5plugin and scikit-image.  What is measured stands in ``OUT/rows.jsonl`` at once, and as tables in ``OUT/report.md``
after every part.  A part that fails says so in its row, and the next one begins.

The parts: whether every algorithm and the network compute what the CPU does (relative error at most 1e-4); start-iterations a
second, and over cuFFT's pair of transforms; predictions in float32 and bfloat16, as they are, compiled, and as a CUDA graph;
`fast` and `best` from scan to result; memory said and used; and for the minutes that are left, training: ``OUT/training`` holds
its checkpoint in pieces of at most 15 MB, from which the same command goes on, and ``OUT/weights.safetensors`` is to take home.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from napari_autophase import Recipe, network, phasing, run, simulation
from napari_autophase.network.inference import quick_bfloat16
from napari_autophase.network.weights import save_weights
from napari_autophase.phasing import Diffraction, Starts
from napari_autophase.phasing.backend import choose, try_out
from napari_autophase.phasing.batch import Batch
from napari_autophase.phasing.iterations import rule
from napari_autophase.recipe import Refinement
from napari_autophase.recipe.algorithm import NAMES
from napari_autophase.reconstruct import versions

Row = dict[str, Any]
AXES = (-3, -2, -1)
AGREES = 1e-4
TRAINING_SHARE = 0.3
"""Of the minutes, kept for training at least."""
TABLE = ((64, 1), (64, 16), (64, 64), (128, 1), (128, 8), (256, 1), (384, 1))
"""Sides of volumes, and starts in a batch."""
LARGEST_ON_CPU, MOST_ON_CPU = 128, 16
TARGETS = (
    "Targets on an H100-class GPU: 90,000 start-iterations/s at 64³ in a batch and 50,000 alone; 1.3 of cuFFT's pair from 128³ "
    "on; a prediction in 2 ms; `fast` in 20 ms at 64³ and 1 s at 256³; 1,000 crystals/s in training."
)


class Bench:
    """What the parts share: the device, the clock, and the file of rows."""

    def __init__(self, device: torch.device, minutes: float, folder: Path, train_minutes: float) -> None:
        self.device, self.folder, self.train_minutes = device, folder, train_minutes
        self.begun, self.end = time.monotonic(), time.monotonic() + 60 * minutes
        self.until = self.end - TRAINING_SHARE * 60 * minutes
        folder.mkdir(parents=True, exist_ok=True)
        self.rows: list[Row] = []
        self.gpu = device.type == "cuda"

    def left(self) -> float:
        """Return the seconds that are left for what is measured; training has its own."""
        return self.until - time.monotonic()

    def write(self, row: Row) -> None:
        """Write a row down, for good."""
        self.rows.append(row)
        with (self.folder / "rows.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
            file.flush()
            os.fsync(file.fileno())
        print(json.dumps(row, ensure_ascii=False, default=str), flush=True)

    def wait(self) -> None:
        """Wait until the device has done what it was asked."""
        if self.gpu:
            torch.cuda.synchronize()
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def seconds(self, job: Callable[[], object], most: float = 2.0) -> float:
        """Return the median time of a job, after one that is not timed."""
        job()
        self.wait()
        times: list[float] = []
        end = time.perf_counter() + min(most, max(0.1, self.left() / 4))
        while not times or (time.perf_counter() < end and len(times) < 200):
            begin = time.perf_counter()
            job()
            self.wait()
            times.append(time.perf_counter() - begin)
        return median(times)


def apart(found: torch.Tensor | np.ndarray, expected: torch.Tensor | np.ndarray) -> float:
    """Return the largest difference over the largest number."""
    a, b = (torch.as_tensor(each).cpu() for each in (found, expected))
    return float((a - b).abs().max() / b.abs().max())


def problem(side: int, starts: int, device: torch.device) -> tuple[Diffraction, Starts]:
    """Return a pattern of a ball of a third of each side, and random starts in it."""
    places = np.ogrid[(slice(-(side // 2), side - side // 2),) * 3]
    inside = sum((6 * place / side) ** 2 for place in places) <= 1
    rng = np.random.default_rng(0)
    field = np.fft.fftshift(np.abs(np.fft.fftn(np.fft.ifftshift(inside * np.exp(0.3j * places[0])))) ** 2)
    counts = rng.poisson(field * (1e6 / field.max())).astype(np.float32)
    # on a CPU the reference; on a GPU what the device was found to be quickest by
    data = Diffraction(counts, None, 0.02, device=device, backend="torch" if device.type == "cpu" else "auto")
    return data, phasing.random_phases(np.asarray(inside)[None], starts, 0)


def refined(where: torch.device, algorithm: str, side: int, starts: int) -> phasing.Phased:
    data, begin = problem(side, starts, where)
    job = phasing.refine(data, begin, Refinement(algorithm=algorithm))
    while True:
        try:
            next(job)
        except StopIteration as done:
            return done.value


def algorithms(bench: Bench) -> Iterator[Callable[[], Row]]:
    """Whether every algorithm computes what the CPU does."""

    def compare(name: str) -> Row:
        found, expected = (
            refined(where, f"3*{name}", 32, 3) for where in (bench.device, torch.device("cpu"))
        )
        error = apart(found.object, expected.object)
        return {"algorithm": name, "relative_error": error, "agrees": error <= AGREES, "notes": found.notes}

    return (partial(compare, name) for name in NAMES)


def prediction(bench: Bench) -> Iterator[Callable[[], Row]]:
    """Whether the network predicts what it does on the CPU."""

    def compare() -> Row:
        window = torch.from_numpy(simulation.simulate(seed=1, size=64).scan.counts.astype(np.float32))[None]
        found = []
        for where in (bench.device, torch.device("cpu")):
            with torch.inference_mode():
                answer = network.load(None, where).folded(
                    window.to(where), backend=choose(where, "torch").backend
                )
            found.append(answer[-1].object)
        error = apart(*found)
        return {"relative_error": error, "agrees": error <= AGREES}

    return iter([compare])


def iterations(bench: Bench) -> Iterator[Callable[[], Row]]:
    """Start-iterations a second, and an iteration's time over that of the pair of transforms alone."""

    def pair(side: int, starts: int) -> float:
        objects = torch.randn((starts, side, side, side), dtype=torch.complex64, device=bench.device)
        return bench.seconds(lambda: torch.fft.ifftn(torch.fft.fftn(objects, dim=AXES), dim=AXES), 1.0)

    def time_of(side: int, starts: int, name: str) -> Row:
        alone = pair(side, starts)
        data, begin = problem(side, starts, bench.device)
        batch, count = Batch(data, begin, f"{name}"), max(2, min(100, round(0.1 / alone)))
        step = rule(name, Refinement())

        def block() -> None:
            done = 0
            while done < count:
                done += len(batch.iterate(step, count - done))

        each = bench.seconds(block) / count
        return {
            "side": side, "starts": starts, "algorithm": name, "start_iterations_per_s": starts / each,
            "ms": 1e3 * each, "pair_ms": 1e3 * alone, "over_pair": each / alone, "at_a_time": data.room.at_a_time,
            "by": getattr(data.backend, "variant", data.backend.name),
        }  # fmt: skip

    for name in ("ER", "HIO", "CG", "RAAR", "EHIO", "ADAM"):
        for side, starts in TABLE:
            if bench.device.type != "cpu" or (side <= LARGEST_ON_CPU and starts <= MOST_ON_CPU):
                yield partial(time_of, side, starts, name)


def predictions(bench: Bench) -> Iterator[Callable[[], Row]]:
    """How long a prediction takes, by precision and by how it is launched."""
    model = network.load(None, bench.device)
    backend = choose(bench.device, "torch").backend

    def ask(one: torch.nn.Module, windows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        with (
            torch.inference_mode(),
            torch.autocast(bench.device.type, dtype, enabled=dtype == torch.bfloat16),
        ):
            return one(windows, backend=backend)[-1].object

    def graphed(windows: torch.Tensor, dtype: torch.dtype) -> Callable[[], torch.Tensor]:
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                ask(model.folded, windows, dtype)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            found = ask(model.folded, windows, dtype)

        def replay() -> torch.Tensor:
            graph.replay()
            return found

        return replay

    def time_of(windows: int, how: str, dtype: torch.dtype) -> Row:
        given = torch.rand((windows, 64, 64, 64), device=bench.device).mul_(100)
        expected = ask(model.folded, given, torch.float32).clone()
        if how == "graph":
            job = graphed(given, dtype)
        else:
            one = model.folded
            if how == "compiled":
                from napari_autophase.training.trainer import compile_parts

                one = copy.deepcopy(one)
                compile_parts(one)
            job = partial(ask, one, given, dtype)
        each = bench.seconds(job, 1.0)
        return {
            "windows": windows, "how": how, "dtype": str(dtype).removeprefix("torch."), "ms": 1e3 * each,
            "relative_error": apart(job(), expected),
        }  # fmt: skip

    able = (torch.float32, torch.bfloat16) if quick_bfloat16(bench.device) else (torch.float32,)
    for how in ("eager", "graph", "compiled") if bench.gpu else ("eager",):
        for dtype in able:
            for windows in (1, 8) if bench.device.type != "cpu" else (1,):
                yield partial(time_of, windows, how, dtype)


def presets(bench: Bench) -> Iterator[Callable[[], Row]]:
    """`fast` and `best` from scan to result: the first run, and the median of those after it."""

    def time_of(name: str, side: int) -> Row:
        made = simulation.simulate(seed=1, size=side)
        recipe = Recipe.from_preset(name).with_settings({"device": str(bench.device)})
        begin = time.perf_counter()
        found = run(made.scan, recipe, lambda _: None)
        first = time.perf_counter() - begin
        row = {
            "preset": name, "side": side, "first_s": first, "device": found.device, "chi2": found.figures["chi2"],
            "free_llk": found.figures.get("free_llk"), "notes": found.notes,
        }  # fmt: skip
        if first < bench.left() / 2:
            row["s"] = bench.seconds(lambda: run(made.scan, recipe, lambda _: None), 5.0)
        return row

    wanted = (("fast", 64), ("best", 64), ("fast", 128), ("fast", 256))
    return (partial(time_of, *one) for one in wanted if bench.device.type != "cpu" or one[1] <= 64)


def memory(bench: Bench) -> Iterator[Callable[[], Row]]:
    """The memory that is said against that which is used at the peak."""

    def used(algorithm: str, side: int, starts: int) -> Row:
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(bench.device)
        torch.cuda.reset_peak_memory_stats(bench.device)
        found = refined(bench.device, f"20*{algorithm}", side, starts)
        peak = torch.cuda.max_memory_allocated(bench.device) - before
        said = phasing.memory_bytes((side,) * 3, starts, algorithm, choose(bench.device).backend)
        return {
            "algorithm": algorithm, "side": side, "starts": starts, "said_mib": said / 2**20, "used_mib": peak / 2**20,
            "ratio": said / peak, "notes": found.notes,
        }  # fmt: skip

    if not bench.gpu:
        return iter(())
    return (partial(used, name, side, 4) for side in (128, 192) for name in NAMES)


def training(bench: Bench) -> Iterator[Callable[[], Row]]:
    """A slice of training, which the same command goes on with."""
    from napari_autophase.training import Trainer, TrainingConfig

    def train() -> Row:
        left = (bench.end - time.monotonic()) / 60 - (0.3 if bench.device.type == "cpu" else 0.5)
        if left <= 0:
            return {"left_out": "no time was left"}
        config = TrainingConfig(
            network="compact", folder=str(bench.folder / "training"), minutes=max(bench.train_minutes, left),
            slice_minutes=left, checkpoint_minutes=4, batch=64 if bench.device.type != "cpu" else 4, validate_every=500,
            validation_crystals=192 if bench.device.type != "cpu" else 8, device=bench.device.type, seed=1,
        )  # fmt: skip
        trainer = Trainer(config)
        first, rate, loss = trainer.step, 0.0, float("nan")
        for row in trainer.train():
            rate, loss = row["crystals_per_s"], row["loss"]
        made_by = {
            **config.model_dump(exclude={"folder"}),
            "steps_done": trainer.step,
            "minutes": trainer.elapsed / 60,
        }
        save_weights(bench.folder / "weights.safetensors", trainer.mean, config.network, made_by)
        pieces = [file.stat().st_size for file in (bench.folder / "training").glob("*.safetensors")]
        return {
            "steps": trainer.step - first, "steps_in_all": trainer.step, "done": trainer.done, "loss": loss,
            "crystals_per_s": rate, "largest_piece_mb": max(pieces, default=0) / 1e6, "notes": trainer.notes,
        }  # fmt: skip

    return iter([train])


PARTS: dict[str, Callable[[Bench], Iterator[Callable[[], Row]]]] = {
    "algorithms": algorithms,
    "prediction": prediction,
    "iterations": iterations,
    "predictions": predictions,
    "presets": presets,
    "memory": memory,
    "training": training,
}
SHARES = {
    "algorithms": 0.25,
    "prediction": 0.15,
    "iterations": 0.5,
    "predictions": 0.4,
    "presets": 0.7,
    "memory": 1.0,
}
"""Of the time that is left when a part begins, so that those after it have some too."""


def measure(bench: Bench, name: str) -> None:
    """Write the rows of a part, as many as there is time for."""
    until = bench.until
    if name != "training":
        bench.until = time.monotonic() + SHARES[name] * max(0.0, bench.left())
    jobs = PARTS[name](bench)
    while True:
        if name != "training" and bench.left() <= 0:
            bench.write({"part": name, "left_out": "the rest: no time was left"})
            break
        try:
            job = next(jobs)
            bench.write({"part": name, **job(), "at_s": round(time.monotonic() - bench.begun, 1)})
        except StopIteration:
            break
        except Exception as error:  # the next row may work
            told = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            bench.write({"part": name, "error": told, "where": traceback.format_exc(limit=-2)[-600:]})
    bench.until = until


def report(bench: Bench, machine: str) -> None:
    """Write the tables."""
    text = [f"# {bench.device}: what was measured\n", machine, "", TARGETS]
    for name in PARTS:
        rows = [{k: v for k, v in row.items() if k != "part"} for row in bench.rows if row["part"] == name]
        if not rows:
            continue
        doc = (PARTS[name].__doc__ or "").strip()
        heading = list(dict.fromkeys(key for row in rows for key in row if key != "where"))
        text += [
            "",
            f"## {name}",
            "",
            doc,
            "",
            "| " + " | ".join(heading) + " |",
            "|" + "---|" * len(heading),
        ]
        text += ["| " + " | ".join(_cell(row.get(key, "")) for key in heading) + " |" for row in rows]
    (bench.folder / "report.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value).replace("|", "/")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, required=True, help="in all")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder; the same one goes on training"
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, mps or cpu")
    parser.add_argument(
        "--train-minutes", type=float, default=60.0, help="length of the training over all slices"
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="only some of them")
    options = parser.parse_args()
    chosen = options.parts.split(",")
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    device, notes = phasing.pick_device(options.device)
    print(*notes, sep="\n", end="\n" if notes else "")
    if device.type != options.device.partition(":")[0]:
        sys.exit(1)
    bench = Bench(device, options.minutes, options.output, options.train_minutes)
    packages = ", ".join(f"{name} {number}" for name, number in versions().items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores; {'; '.join(phasing.device_lines())}; {packages}"
    bench.write({"part": "machine", "machine": machine, "minutes": options.minutes})
    if bench.gpu:
        found = try_out(device)
        by = getattr(found.backend, "variant", found.backend.name)
        bench.write({"part": "variants", "used": by, "notes": found.notes})
    for name in PARTS:
        if name in chosen:
            measure(bench, name)
            report(bench, machine)


if __name__ == "__main__":
    main()
