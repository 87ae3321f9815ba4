"""Other engines and this one on the same counts, the same machine, in one run: `python benchmarks/peers`.

    python benchmarks/peers [--sizes 64,128] [--engines ours,pynx,...] [--parts scans,coherence] [--quick]

PyNX (on the CPU), cohere (NumPy and torch back ends) and plain NumPy are installed from their packages into environments of
their own below `runs/peers`; one that cannot be had or fails has a row that says so.  Each runs in a process of its own
(`engines/`).  `results/peers.jsonl` has a row a measurement, `results/peers.md` the tables; a run writes both anew, since only
what was measured together can be compared; with ``--parts coherence`` the last part alone, whose engines are not those of the
others.  It wants an idle machine.

Iterations are timed in rounds, in which every engine does a block of ER and a block of HIO, without updates of the support.
Then each phases the same scans by `3*(20*ER+180*HIO)+20*ER` from one random start, with its own updates of the support, looked
at every 20 iterations while its clock stands; this package also starts from the network's guess.

At last, light that is partly coherent: measured scans and simulated ones by this package's presets and by PyNX, each with and
without its own model of it, judged with the blur that it found.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import common
import numpy as np
import real
from common import RESULTS

from napari_autophase import Scan, analysis
from napari_autophase.phasing.workers import cores
from peers import tables
from peers.environments import ROOT, UnavailableError
from peers.judge import Case
from peers.workers import ENGINES, Worker

FIRST_SEED = 9_600_000
RECIPE = [*(("ER", 20), ("HIO", 180)) * 3, ("ER", 20)]
LOOK_EVERY = 20
LARGE = 100
"""Sides from which one crystal is phased instead of eight."""
BLOCK, ROUNDS = {False: 50, True: 20}, {False: 8, True: 4}
"""Iterations of a block, and rounds, for small and large sides: blocks as long as runs of one algorithm are, so that what a
neighbour left in the caches does not count."""
WARM = 5
"""Iterations of each algorithm before the rounds."""
OURS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "ours": [
        ("iterative", {"refine.algorithm": "20*ER+180*HIO+20*ER", "refine.retry": False}),
        ("iterative", {"refine.algorithm": "2*(20*ER+180*HIO)+20*ER", "refine.retry": False}),
        ("iterative", {"refine.retry": False}),
    ],
    "network": [("network", {})],
    "network + 50 ER": [
        ("network", {"refine.algorithm": "20*ER"}),
        ("network", {"refine.algorithm": "50*ER"}),
    ],
    "fast": [
        ("fast", {"refine.algorithm": "16*HIO+4*ER"}),
        ("fast", {"refine.algorithm": "24*HIO+6*ER"}),
        ("fast", {}),
    ],
    "fast + HIO + CG": [
        ("fast", {"refine.algorithm": "40*HIO+10*ER+10*CG"}),
        ("fast", {"refine.algorithm": "50*HIO+20*ER+20*CG"}),
    ],
}
"""Whole reconstructions by this package, by what they are called; the last of each is the one whose object is judged."""


PARTLY = ("fast", "iterative", "best")
"""Presets that phase partly coherent light."""


class Bench:
    """What a run shares: its engines that work, its rows, and where its files go."""

    def __init__(
        self, names: list[str], folder: Path, scratch: Path, rows: Path, kept: list[dict[str, Any]]
    ) -> None:
        self.names, self.folder, self.scratch, self.file = list(names), folder, scratch, rows
        self.rows = kept
        self.fastest: dict[int, dict[str, tuple[float, int]]] = {}
        rows.write_text("".join(map(_line, kept)), encoding="utf-8")
        self.small = Case.simulated(seed=FIRST_SEED, size=32, phase_range=1.0).write(scratch)

    def add(self, **row: Any) -> None:
        """Keep a row."""
        self.rows.append({**row, "made": common.made()})
        with self.file.open("a", encoding="utf-8") as file:
            file.write(_line(self.rows[-1]))

    def worker(self, name: str, threads: int) -> Worker:
        """Start an engine."""
        return Worker(name, threads, self.folder, Path(tempfile.mkdtemp(dir=self.scratch)), self.small)

    def lose(self, name: str, why: object) -> None:
        """Go on without an engine."""
        if name in self.names:
            print(f"{ENGINES[name].label} is left out: {why}", flush=True)
            self.add(what="left out", engine=name, why=str(why))
            self.names.remove(name)

    def iterations(self, size: int, rounds: int) -> None:
        """Time ER and HIO of all engines side by side."""
        case, block = (
            Case.simulated(seed=FIRST_SEED + 10 * size, size=size, phase_range=2.0),
            BLOCK[size >= LARGE],
        )
        file = case.write(self.scratch)
        recipe = [("ER", WARM), ("HIO", WARM), *(("ER", block), ("HIO", block)) * rounds]
        with ExitStack() as stack:
            timed: dict[tuple[str, int], dict[str, Any]] = {}
            workers: dict[tuple[str, int], Worker] = {}
            for name in list(self.names):
                try:
                    for threads in ENGINES[name].threads:
                        worker = stack.enter_context(self.worker(name, threads))
                        jobs: list[tuple[str, dict[str, Any]]] = [
                            ("open", {"file": str(file)}),
                            ("begin", {"recipe": recipe, "seed": 0, "wrap": False}),
                            ("advance", {"number": 2 * WARM}),
                        ]
                        worker.ask("baseline")
                        taken = max(worker.ask(do, **arguments)["memory"] for do, arguments in jobs)
                        workers[name, threads] = worker
                        timed[name, threads] = {"ER": [], "HIO": [], "memory": taken}
                except UnavailableError as error:
                    self.lose(name, error)
            for algorithm in ("ER", "HIO") * rounds:
                for key, worker in workers.items():
                    if key[0] in self.names:
                        try:
                            seconds = worker.ask("advance", number=block)["seconds"]
                            timed[key][algorithm].append(1e3 * seconds / block)
                        except UnavailableError as error:
                            self.lose(key[0], error)
        found = self.fastest.setdefault(size, {})
        for (name, threads), row in timed.items():
            if name in self.names:
                once = {n: getattr(workers[name, threads], n) for n in ("import_seconds", "first_seconds")}
                row |= {"size": size, "engine": name, "threads": threads, "voxels": case.counts.size, **once}
                self.add(what="iteration", **row)
                found[name] = min(found.get(name, (float("inf"), 0)), (median(tables.both(row)), threads))
        print(f"{size}³: iterations are timed", flush=True)

    def contestants(self, case: Case) -> dict[str, int]:
        """Return the engines that may phase a scan, cohere by its faster back end, with the number of threads best for each."""
        nearest = min(self.fastest, key=lambda size: abs(size**3 - case.counts.size))
        speeds = {name: speed for name, speed in self.fastest[nearest].items() if name in self.names}
        slower = sorted((name for name in speeds if name.startswith("cohere")), key=speeds.__getitem__)[1:]
        return {name: threads for name, (_, threads) in speeds.items() if name not in slower}

    def phase(self, case: Case, size: int, spared: Collection[str]) -> None:
        """Let every engine phase a scan, but for the spared ones."""
        file = case.write(self.scratch)
        for name, threads in self.contestants(case).items():
            if name in spared:
                continue
            try:
                with self.worker(name, threads) as worker:
                    found = (
                        self._ours(worker, case, file)
                        if name == "ours"
                        else [self._peer(worker, name, case, file)]
                    )
            except UnavailableError as error:
                print(f"{case.name}: {ENGINES[name].label} failed: {error}", flush=True)
                self.add(what="failed", case=case.name, size=size, engine=name, why=str(error))
                continue
            for row in found:
                self.add(what="scan", case=case.name, size=size, engine=name, threads=threads, **row)
                told = [
                    f"{row['seconds']:.2f} s",
                    *(f"{n} {row[n]:.3f}" for n in ("free_llk", "correlation")),
                ]
                print(f"{case.name}: {row['method']}, {', '.join(told)}", flush=True)
        file.unlink()

    def coherence(self, case: Case, size: int) -> None:
        """Phase partly coherent light with and without a model of it; the best that takes it into account is compared with."""
        file, objects, rows = case.write(self.scratch), dict[str, np.ndarray](), list[dict[str, Any]]()
        output = self.scratch / "partly.npy"
        for name in (name for name in ("ours", "pynx-opencl") if name in self.names):
            methods = PARTLY if name == "ours" else ("pynx",)
            try:
                with self.worker(name, 0 if name == "ours" else cores()) as worker:
                    worker.ask("open", file=str(file))
                    for method, modelled in product(methods, (False, True)):
                        row = self._partly(worker, method, modelled)
                        worker.ask("result", to=str(output))
                        found = np.load(output)
                        worker.ask("kernel", to=str(output)) if modelled else None
                        row["length_nm"] = case.coherence_length_nm(row.get("sigma_px", ()))
                        row |= case.figures(found, np.load(output) if modelled else None)
                        rows.append({"method": method, "engine": name, "modelled": modelled, **row})
                        objects[f"{method} {modelled}"] = found
            except UnavailableError as error:
                print(f"{case.name}: {ENGINES[name].label} failed: {error}", flush=True)
                self.add(what="failed", case=case.name, size=size, engine=name, why=str(error))
        for row in rows:
            other = objects.get(f"best {row['modelled']}")
            if other is not None:
                found = objects[f"{row['method']} {row['modelled']}"]
                row["agreement"] = analysis.compare(found, other, threshold=0.3)["correlation"]
            self.add(what="coherence", case=case.name, size=size, **row)
            told = [f"{row['seconds']:.2f} s", *(f"{n} {row[n]:.3f}" for n in ("free_llk", "correlation"))]
            print(f"{case.name}: {row['method']}, {row['modelled']}, {', '.join(told)}", flush=True)
        file.unlink()

    def _partly(self, worker: Worker, method: str, modelled: bool) -> dict[str, Any]:
        """Phase a scan that is open; returns what is known of it beside the object."""
        if method in PARTLY:
            settings = {"model.coherence": "estimate" if modelled else "off"}
            answer = worker.ask("solve", preset=method, settings=settings)
            return {name: answer[name] for name in ("seconds", "sigma_px")}
        begun = worker.ask("begin", recipe=RECIPE, seed=0, wrap=True, psf=modelled)
        done = worker.ask("advance", number=sum(number for _, number in RECIPE))
        return {"seconds": begun["seconds"] + done["seconds"]}

    def _peer(self, worker: Worker, name: str, case: Case, file: Path) -> dict[str, Any]:
        """Phase a scan step by step; its points are (seconds, held-out likelihood) on the way."""
        output = self.scratch / f"{name}.npy"
        worker.ask("baseline")
        opened = worker.ask("open", file=str(file))
        begun = worker.ask("begin", recipe=RECIPE, seed=0, wrap=True)
        seconds, memory, points = begun["seconds"], max(opened["memory"], begun["memory"]), []
        for _ in range(0, sum(number for _, number in RECIPE), LOOK_EVERY):
            answer = worker.ask("advance", number=LOOK_EVERY)
            seconds, memory = seconds + answer["seconds"], max(memory, answer["memory"])
            read = worker.ask("result", to=str(output))["seconds"]
            points.append((seconds + read, case.free_llk(np.load(output))))
        figures = case.figures(np.load(output))
        return {"method": name, "seconds": points[-1][0], "memory": memory, "points": points, **figures}

    def _ours(self, worker: Worker, case: Case, file: Path) -> list[dict[str, Any]]:
        """Phase a scan by each of our ways; every point is a whole reconstruction of its own."""
        rows, output = [], self.scratch / "ours.npy"
        worker.ask("open", file=str(self.small))
        worker.ask("solve", preset="network", settings={})  # weights are read once a session
        worker.ask("baseline")
        worker.ask("open", file=str(file))
        for method, ways in OURS.items():
            memory, points = 0, []
            for preset, settings in ways:
                repeats = 1 if preset == "iterative" else 3
                answers = [worker.ask("solve", preset=preset, settings=settings) for _ in range(repeats)]
                worker.ask("result", to=str(output))
                memory = max(memory, *(answer["memory"] for answer in answers))
                points.append((median(a["seconds"] for a in answers), case.free_llk(np.load(output))))
            found = {"method": method, "seconds": points[-1][0], "memory": memory, "points": points}
            rows.append({**found, **case.figures(np.load(output))})
        return rows


def known(output: Path) -> list[dict[str, Any]]:
    """Return the rows of earlier runs."""
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, default=float, ensure_ascii=False) + "\n"


def crystals(size: int) -> list[dict[str, Any]]:
    """Return the arguments of `simulation.simulate` for the crystals of a size; the same list every time."""
    reaches = [2.0] if size >= LARGE else np.linspace(0.5, 2 * np.pi, 8).round(3).tolist()
    return [
        {"seed": FIRST_SEED + 10 * size + i, "size": size, "phase_range": reach, "peak": 1e6}
        for i, reach in enumerate(reaches, 1)
    ]


def blurred() -> list[dict[str, Any]]:
    """Return the arguments of `simulation.simulate` for crystals in partly coherent light."""
    return [
        {"seed": FIRST_SEED + 650 + i, "size": 64, "phase_range": 2.0, "peak": 1e5, "coherence": width}
        for i, width in enumerate((0.3, 0.5, 0.8))
    ]


def spared(size: int, seed: int) -> set[str]:
    """Return the engines that don't phase a crystal: those that one would have to wait for longest."""
    cohere = {name for name in ENGINES if name.startswith("cohere")}
    if size >= LARGE:
        return {"numpy", *cohere}
    return set() if seed == crystals(size)[0]["seed"] else {"numpy"}


def halved(scan: Scan) -> Scan:
    """Return a scan with pairs of frames summed, as the gold crystal's eightfold oversampling along the rocking axis allows."""
    counts = scan.counts[: scan.shape[0] // 2 * 2]
    mask = np.zeros(counts.shape, bool) if scan.mask is None else scan.mask[: len(counts)]
    shape, stood = (-1, 2, *counts.shape[1:]), scan.geometry
    stood = None if stood is None else replace(stood, rocking_step_deg=2 * stood.rocking_step_deg)
    return Scan(counts.reshape(shape).sum(1), mask.reshape(shape).any(1), stood)


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="64,128")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument(
        "--parts", default="scans,coherence", help="what is measured: scans, coherence or both"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds and one easy crystal a size")
    parser.add_argument("--data", type=Path, default=real.DATA, help="the gold crystal's folder")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "peers", help="for the environments")
    parser.add_argument("--output", type=Path, default=RESULTS / "peers.jsonl")
    options = parser.parse_args()
    names = options.engines.split(",")
    if unknown := set(names) - set(ENGINES):
        parser.error(f"there is no engine {', '.join(unknown)}; choose from {', '.join(ENGINES)}")
    sizes = [int(size) for size in options.sizes.split(",")]
    parts = options.parts.split(",")
    if unknown := set(parts) - {"scans", "coherence"}:
        parser.error(f"there is no part {', '.join(unknown)}; choose from scans, coherence")
    notes = [common.machine()]
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        gold = None
        if options.data.exists() and not options.quick:
            scan, references = real.measured(options.data)
            gold = Case.of("gold", halved(scan), reference=references["pynx"])
        kept = (
            [] if "scans" in parts else [row for row in known(options.output) if row["what"] != "coherence"]
        )
        bench = Bench(names, options.folder, Path(scratch), options.output, kept)
        if "scans" in parts:
            for size in sizes:
                bench.iterations(size, 3 if options.quick else ROUNDS[size >= LARGE])
            for size in sizes:
                for arguments in crystals(size)[: 1 if options.quick else None]:
                    bench.phase(Case.simulated(**arguments), size, spared(size, arguments["seed"]))
            if gold is not None:
                bench.phase(gold, 0, {"numpy"})
        if "coherence" in parts:
            for arguments in blurred()[: 1 if options.quick else None]:
                bench.coherence(Case.simulated(**arguments), arguments["size"])
            if gold is not None:
                bench.coherence(gold, 0)
    tables.write(options.output, bench.rows, notes)


if __name__ == "__main__":
    main()
