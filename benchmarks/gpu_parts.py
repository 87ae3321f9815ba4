"""The parts of `gpu.py`: what is measured of a device, and how long each of it takes, roughly."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from budget import CAUTION, Budget, Job, Row

from napari_autophase import Recipe, network, phasing, run, simulation
from napari_autophase.network.inference import quick_bfloat16
from napari_autophase.network.physics import WINDOW
from napari_autophase.network.weights import save_weights
from napari_autophase.phasing import Diffraction, Starts
from napari_autophase.phasing.backend import choose
from napari_autophase.phasing.batch import Batch
from napari_autophase.phasing.iterations import rule
from napari_autophase.recipe import Refinement
from napari_autophase.recipe.algorithm import NAMES
from napari_autophase.training.compiling import compile_parts

AXES = (-3, -2, -1)
AGREES = 1e-4
TABLE = ((64, 1), (64, 16), (128, 1), (64, 64), (128, 8), (256, 1), (384, 1))
"""Sides of volumes, and starts in a batch."""
PAIRS = {"ER": 1.6, "HIO": 2.0, "RAAR": 2.0, "EHIO": 2.5, "ADAM": 5.0, "CG": 12.0}
"""About how many pairs of transforms an iteration takes the time of."""
PAIRS_A_CRYSTAL = 75
"""About how many of them training on a crystal takes the time of."""
LEAST_SLICE, WORTH_COMPILING = 0.1, 4.0
"""Minutes of training that are worth beginning, and compiling for."""
FILES_S, COMPILING_S = 6.0, 30.0
"""Seconds kept for the last checkpoint and the weights; on a GPU for the first batch too."""


class Bench(Budget):
    """What the parts share: the device, the time, and the file of rows."""

    def __init__(
        self, device: torch.device, minutes: float, folder: Path, train_minutes: float, spent: float = 0.0
    ) -> None:
        super().__init__(minutes, spent)
        self.device, self.folder, self.train_minutes = device, folder, train_minutes
        folder.mkdir(parents=True, exist_ok=True)
        self.rows: list[Row] = []
        self.report: Callable[[], object] = lambda: None
        """What is done after every row."""
        self.gpu = device.type == "cuda"
        cpu = torch.device("cpu")
        self.pair_s, self.cpu_pair_s = (self.seconds_of_a_pair(where) for where in (device, cpu))
        begin = self.clock()
        problem(64, 1, device)
        self.host_s = self.clock() - begin
        """What a pattern of 64³ takes to be made."""

    def seconds_of_a_pair(self, where: torch.device) -> float:
        """Return the time of a pair of transforms of 64³."""
        one = torch.ones((64, 64, 64), dtype=torch.complex64, device=where)
        times = []
        for _ in range(4):
            begin = time.perf_counter()
            torch.fft.ifftn(torch.fft.fftn(one)).abs().max().item()
            times.append(time.perf_counter() - begin)
        return min(times)

    def expected(self, side: int, pairs: float, host: float = 1.0) -> float:
        """Return the seconds that a job roughly takes: so many pairs of transforms of a side, and patterns made on the CPU."""
        return 0.2 + (side / 64) ** 3 * (pairs * self.pair_s + host * self.host_s)

    def write(self, row: Row) -> None:
        """Write a row down, for good."""
        self.rows.append(row)
        with (self.folder / "rows.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
            file.flush()
            os.fsync(file.fileno())
        print(json.dumps(row, ensure_ascii=False, default=str), flush=True)
        self.report()

    def wait(self) -> None:
        """Wait until the device has done what it was asked."""
        if self.gpu:
            torch.cuda.synchronize()
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def seconds(self, job: Callable[[], object], *, warm: bool = True) -> float:
        """Return the median time of a job, after one that is not timed."""
        if warm:
            job()
            self.wait()
        times: list[float] = []
        end = time.perf_counter() + self.patience
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


def unlike(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return 1 − correlation of two complex objects: what a guess that is refined afterwards is worth hangs on that."""
    a, b = (each.detach().cpu().to(torch.complex128).flatten() for each in (found, expected))
    return 1 - float(torch.vdot(a, b).abs() / (a.norm() * b.norm()))


@cache
def pattern(device: torch.device) -> torch.Tensor:
    """Return the counts of a crystal as the network is shown them: of noise alone it sees anything."""
    counts = simulation.simulate(seed=1, size=WINDOW).scan.counts
    return torch.from_numpy(counts.astype(np.float32)).to(device)


def problem(side: int, starts: int, device: torch.device) -> tuple[Diffraction, Starts]:
    """Return a pattern of a ball of a third of each side, and random starts in it."""
    counts, inside = ball(side)
    # on a CPU the reference; on a GPU what the device was found to be quickest by
    data = Diffraction(counts, None, 0.02, device=device, backend="torch" if device.type == "cpu" else "auto")
    return data, phasing.random_phases(inside[None], starts, 0)


@cache
def ball(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts of a ball of a third of each side, and where it is."""
    places = np.ogrid[(slice(-(side // 2), side - side // 2),) * 3]
    inside = np.asarray(sum((6 * place / side) ** 2 for place in places) <= 1)
    phase = np.exp(0.3j * places[0]).astype(np.complex64)
    field = np.fft.fftshift(
        torch.fft.fftn(torch.from_numpy(np.fft.ifftshift(inside * phase))).abs().square().numpy()
    )
    counts = np.random.default_rng(0).poisson(field * (1e6 / field.max())).astype(np.float32)
    return counts, inside


def refined(where: torch.device, algorithm: str, side: int, starts: int) -> phasing.Phased:
    data, begin = problem(side, starts, where)
    job = phasing.refine(data, begin, Refinement(algorithm=algorithm))
    while True:
        try:
            next(job)
        except StopIteration as done:
            return done.value


def algorithms(bench: Bench) -> Iterator[Job]:
    """Whether every algorithm computes what the CPU does."""

    def compare(name: str) -> Row:
        found, expected = (
            refined(where, f"3*{name}", 32, 3) for where in (bench.device, torch.device("cpu"))
        )
        error = apart(found.object, expected.object)
        return {"algorithm": name, "relative_error": error, "agrees": error <= AGREES, "notes": found.notes}

    for name in NAMES:
        yield Job(partial(compare, name), 1 + bench.expected(32, 40 * PAIRS[name], 2), name)


def prediction(bench: Bench) -> Iterator[Job]:
    """Whether the network predicts what it does on the CPU."""

    def compare() -> Row:
        found = []
        for where in (bench.device, torch.device("cpu")):
            with torch.inference_mode():
                answer = network.load(None, where).folded(
                    pattern(where)[None], backend=choose(where, "torch").backend
                )
            found.append(answer[-1].object)
        error = apart(*found)
        return {"relative_error": error, "agrees": error <= AGREES}

    yield Job(compare, 2 + 300 * bench.cpu_pair_s, "the network")


def iterations(bench: Bench) -> Iterator[Job]:
    """Start-iterations a second, and an iteration's time over that of the pair of transforms alone."""

    def pair(side: int, starts: int) -> float:
        objects = torch.randn((starts, side, side, side), dtype=torch.complex64, device=bench.device)
        return bench.seconds(lambda: torch.fft.ifftn(torch.fft.fftn(objects, dim=AXES), dim=AXES))

    def time_of(side: int, starts: int, name: str) -> Row:
        alone = pair(side, starts)
        data, begin = problem(side, starts, bench.device)
        batch, step = Batch(data, begin, f"{name}"), rule(name, Refinement())
        batch.iterate(step, 1)
        bench.wait()
        since = time.perf_counter()
        batch.iterate(step, 1)
        bench.wait()
        count = max(1, min(100, round(0.1 / (time.perf_counter() - since))))

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

    for side, starts in TABLE:
        for name in ("ER", "HIO", "CG", "RAAR", "EHIO", "ADAM"):
            it_takes = bench.expected(side, starts * (4 + 4 * PAIRS[name]), 1 + 0.1 * starts)
            seconds = 2 * bench.patience + it_takes
            yield Job(partial(time_of, side, starts, name), seconds, f"{name} {side}³ × {starts}")


def predictions(bench: Bench) -> Iterator[Job]:
    """How long a prediction takes, with all sweeps, by precision and by how it is launched."""
    model = network.load(None, bench.device)
    backend = choose(bench.device, "torch").backend

    def ask(one: torch.nn.Module, windows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        with (
            torch.inference_mode(),
            torch.autocast(bench.device.type, dtype, enabled=dtype == torch.bfloat16),
        ):
            return one.swept(windows, backend=backend).object

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
        given = pattern(bench.device).expand(windows, -1, -1, -1).contiguous()
        expected = ask(model.folded, given, torch.float32).clone()
        if how == "graph":
            job = graphed(given, dtype)
        else:
            one = model.folded
            if how == "compiled":
                one = copy.deepcopy(one)
                compile_parts(one)
            job = partial(ask, one, given, dtype)
        each, found = bench.seconds(job), job()
        return {
            "windows": windows, "how": how, "dtype": str(dtype).removeprefix("torch."), "ms": 1e3 * each,
            "relative_error": apart(found, expected), "one_minus_correlation": unlike(found, expected),
        }  # fmt: skip

    able = (torch.float32, torch.bfloat16) if quick_bfloat16(bench.device) else (torch.float32,)
    for how in ("eager", "graph", "compiled") if bench.gpu else ("eager",):
        for dtype in able:
            for windows in (1, 8) if bench.device.type != "cpu" else (1,):
                making = 60 if how == "compiled" else 1
                seconds = making + bench.patience + bench.expected(64, 1500 * windows, 0)
                yield Job(partial(time_of, windows, how, dtype), seconds, f"{how} {windows} {dtype}")


def presets(bench: Bench) -> Iterator[Job]:
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
            row["s"] = bench.seconds(lambda: run(made.scan, recipe, lambda _: None), warm=False)
        return row

    # of the guess on its own small grid, and of the iterations on the scan's
    for name, side, small, large in (
        ("fast", 64, 600, 150), ("best", 64, 12_000, 300), ("fast", 128, 600, 150), ("fast", 256, 600, 150)
    ):  # fmt: skip
        seconds = bench.expected(64, 2 * small, 0) + bench.expected(side, 2 * large, 6)
        yield Job(partial(time_of, name, side), seconds, f"{name} {side}³")


def memory(bench: Bench) -> Iterator[Job]:
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

    for side in (128, 192) if bench.gpu else ():
        for name in NAMES:
            seconds = bench.expected(side, 4 * 25 * PAIRS[name], 2)
            yield Job(partial(used, name, side, 4), seconds, f"{name} {side}³")


def training(bench: Bench) -> Iterator[Job]:
    """A slice of training, which the same command goes on with."""
    from napari_autophase.training import Trainer, TrainingConfig

    def train() -> Row:
        on_cpu = bench.device.type == "cpu"
        # by what a pair takes now: at the start nothing else may have been at work
        crystal_s = CAUTION * PAIRS_A_CRYSTAL * bench.seconds_of_a_pair(bench.device) if on_cpu else 0.0
        left = bench.left_in_all() - (FILES_S if on_cpu else COMPILING_S)
        if left < max(60 * LEAST_SLICE, crystal_s):
            return {"left_out": f"{max(0.0, left):.0f} s were left; a crystal may take {crystal_s:.1f} s"}
        batch = max(1, min(4, int(left / 4 / crystal_s))) if on_cpu else 64
        config = TrainingConfig(
            network="compact", folder=str(bench.folder / "training"), minutes=max(bench.train_minutes, left / 60),
            slice_minutes=left / 60, checkpoint_minutes=4, batch=batch, validate_every=500,
            validation_crystals=8 if on_cpu else 192, device=str(bench.device), seed=1,
            compile=None if left / 60 > WORTH_COMPILING else False,
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
            "steps": trainer.step - first, "steps_in_all": trainer.step, "batch": batch, "done": trainer.done, "loss": loss,
            "crystals_per_s": rate, "largest_piece_mb": max(pieces, default=0) / 1e6, "notes": trainer.notes,
        }  # fmt: skip

    yield Job(train, 1.0, "training")
