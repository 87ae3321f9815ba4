"""Tables of `run.py`: figures by engine, beside this package's; bold where a target is met."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from common import SUCCESS, quartiles, table

from peers.judge import first_below
from peers.workers import ENGINES

Row = dict[str, Any]
MIB = 2**20
TARGETS = {"pynx": 5.0, "cohere-torch": 8.0, "cohere-numpy": 8.0}
"""How many times longer than ours an iteration of theirs should take at least."""
QUICKER = 10.0
"""How many times longer than from the network's guess PyNX should take to its own final likelihood."""
METHODS = {
    "ours": "this package, random start",
    "network": "this package, network alone",
    "network + 50 ER": "this package, network + 50 ER",
    "fast": "this package, `fast`",
    "fast + HIO + CG": "this package, `fast` with 50 HIO + 20 ER + 20 CG",
}
ITERATIONS = (
    "Medians of interleaved rounds, quartiles in brackets, without updates of the support.  × ours: the median of the ratios "
    "within the rounds, ER and HIO together, for the number of threads that suits an engine best (this package chooses itself).  "
    "First: the imports, then the first iteration of a small scan with nothing kept from earlier runs.  Memory: by how much the "
    "resident set rose, at its largest, above what it was after that small scan; in brackets, in complex64 volumes."
)
SCANS = (
    "620 iterations, 3*(20*ER+180*HIO)+20*ER, from one random start, with each engine's own first support and updates.  Seconds "
    "from counts to the object, both in memory, this package's with its preparation and analysis, after a small scan has been "
    "phased.  Held-out: mean Poisson deviance over the same islands of pixels for all, the object scaled to the fitted photons; "
    "PyNX, NumPy and this package left these pixels free; cohere cannot (pixels without a measurement are zero to it) and was "
    "given them, which flatters its figure.  Peers are looked at every 20 iterations while their clock stands; ours are whole "
    "reconstructions: of 220, 420 and 620 iterations, and from the network's guess (the median of three).  Plain NumPy phases "
    "one crystal of the small ones, cohere (its faster back end) all small ones and the gold crystal."
)

PARTLY = (
    "Held-out as above, of the intensity as each blurs it by what it found: this package with `model.coherence` estimated and "
    "off, PyNX with the `psf` that its script recommends (a pseudo-Voigt function to begin with, from two thirds of its HIO on, "
    "found anew every 20 iterations) and without, 620 iterations by its code for GPUs, on the CPU by OpenCL, as its other code "
    "knows no `psf`; its seconds say little, therefore.  Agreement: correlation with this package's `best` of the same kind."
)


def write(output: Path, rows: list[Row], notes: list[str]) -> None:
    """Write the tables beside the rows, and print them."""
    parts = ["# Peers, measured", "; ".join(notes) + "."]
    for row in rows:
        if row["what"] in ("left out", "failed"):
            where = f" on {row['case']}" if row["what"] == "failed" else ""
            parts.append(f"{ENGINES[row['engine']].label}{where}: {row['what']} ({row['why']}).")
    parts += ["## Time per iteration", ITERATIONS]
    timed = [row for row in rows if row["what"] == "iteration"]
    for size in dict.fromkeys(row["size"] for row in timed):
        parts.append(iterations([row for row in timed if row["size"] == size]))
    parts += ["## Whole scans", SCANS]
    phased = [row for row in rows if row["what"] == "scan"]
    for size in dict.fromkeys(row["size"] for row in phased):
        group = [row for row in phased if row["size"] == size]
        parts += [f"### {title(group)}", scans(group), times(group)]
    if partly := [row for row in rows if row["what"] == "coherence"]:
        parts += ["## Partly coherent light", f"{PARTLY}{_alone(partly[0], rows[0])}", coherence(partly)]
    text = "\n\n".join(parts) + "\n"
    output.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def _alone(row: Row, other: Row) -> str:
    """Say so if a row is of another version than another."""
    one, before = (each.get("made", {}).get("versions", {}).get("napari-autophase") for each in (row, other))
    return "" if one == before else f"  This part was measured with {one}, those above with {before}."


def title(rows: list[Row]) -> str:
    """Name a group of scans."""
    if not rows[0]["size"]:
        return "The gold crystal of 34-ID-C, its frames summed in pairs: 100 × 128 × 128, beside PyNX's reference reconstruction"
    number = len({row["case"] for row in rows})
    return f"{number} simulated crystal{'s' if number > 1 else ''} of {rows[0]['size']}³"


def iterations(rows: list[Row]) -> str:
    """Return the table of one size, a line an engine and a number of threads; the fastest way of each is compared with ours."""
    ours = next((row for row in rows if row["engine"] == "ours"), None)
    lines = []
    for row in rows:
        own = [one for one in rows if one["engine"] == row["engine"]]
        times_ours = "–"
        if ours is not None and row is fastest(own):
            value = ratio(row, ours)
            target = TARGETS.get(row["engine"])
            times_ours = f"**{value:.1f}**" if target and value >= target else f"{value:.1f}"
            times_ours += f" (target {target:.0f})" if target else ""
        lines.append(
            [
                ENGINES[row["engine"]].label,
                str(row["threads"] or "its choice"),
                *(cell([{"ms": ms} for ms in row[name]], "ms") for name in ("ER", "HIO")),
                times_ours,
                f"{row['import_seconds']:.1f} + {row['first_seconds']:.1f}",
                memory(row["memory"], row["voxels"]),
            ]
        )
    heading = ["threads", "ER, ms", "HIO, ms", "× ours", "first, s", "memory, MiB"]
    return table([f"{rows[0]['size']}³", *heading], lines)


def coherence(rows: list[Row]) -> str:
    """Return the table of partly coherent light: a line a scan, a method, with and without a model of it."""
    lines = []
    for row in rows:
        widths = " × ".join(f"{sigma:.2f}" for sigma in row.get("sigma_px", ())) if row["modelled"] else ""
        lengths = [f"{one:.0f}" if one else "–" for one in row.get("length_nm") or ()]
        lines.append(
            [
                row["case"],
                f"`{row['method']}`" if row["engine"] == "ours" else "PyNX",
                "yes" if row["modelled"] else "no",
                *(f"{row[name]:.3g}" for name in ("free_llk", "correlation", "phase_error")),
                f"{row['agreement']:.3f}" if "agreement" in row else "–",
                widths or "–",
                " × ".join(lengths) if row["modelled"] and lengths else "–",
                f"{row['seconds']:.3g}",
            ]
        )
    heading = ["scan", "method", "modelled", "held-out", "correlation", "phase error, rad", "agreement", "widths, pixels (σ)",
               "coherence lengths, nm", "seconds"]  # fmt: skip
    return table(heading, lines)


def both(row: Row) -> list[float]:
    """Return ER and HIO together, round by round."""
    return [er + hio for er, hio in zip(row["ER"], row["HIO"], strict=True)]


def fastest(rows: list[Row]) -> Row:
    """Return the row with the shortest iterations."""
    return min(rows, key=lambda row: median(both(row)))


def ratio(row: Row, ours: Row) -> float:
    """Return how many times longer than ours an iteration takes: the median of the ratios within the rounds."""
    return median(one / other for one, other in zip(both(row), both(ours), strict=True))


def memory(taken: float, voxels: int) -> str:
    """Return a cell: MiB, and in brackets complex64 volumes."""
    return f"{taken / MIB:.0f} ({taken / (8 * voxels):.1f})"


def cell(rows: list[Row], name: str) -> str:
    """Return a cell: the median with the quartiles, or the one value that there is."""
    found = quartiles(rows, name)
    if found is None:
        return "–"
    low, value, high = (f"{x:.3g}" for x in found)
    return f"{value} ({low}–{high})" if len(rows) > 1 else value


def label(row: Row) -> str:
    """Name a line of the tables of scans."""
    return METHODS.get(row["method"]) or ENGINES[row["engine"]].label


def by_method(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of every method, in the order in which they came."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["method"], []).append(row)
    return groups


def scans(rows: list[Row]) -> str:
    """Return the table of quality: a line a method."""
    amplitude, called = (
        ("amplitude_ssim", "amplitude SSIM")
        if rows[0]["size"]
        else ("amplitude_correlation", "amplitude correlation")
    )
    heading = [
        "threads",
        "found",
        "held-out",
        "correlation",
        called,
        "phase error, rad",
        "seconds",
        "memory, MiB",
    ]
    lines = []
    for group in by_method(rows).values():
        hits = sum(row["correlation"] >= SUCCESS for row in group)
        taken = [{"memory": row["memory"] / MIB} for row in group]
        lines.append(
            [
                label(group[0]),
                str(group[0]["threads"] or "its choice"),
                f"{hits}/{len(group)}" if rows[0]["size"] else "–",
                *(
                    cell(group, name)
                    for name in ("free_llk", "correlation", amplitude, "phase_error", "seconds")
                ),
                cell(taken, "memory"),
            ]
        )
    return table(["", *heading], lines)


def times(rows: list[Row]) -> str:
    """Return the table of times to the likelihoods at which PyNX and this package end after 620 iterations."""
    ways = by_method(rows)
    lines = []
    for group in ways.values():
        cells = []
        for level in ("pynx", "ours"):
            levels = {row["case"]: row["free_llk"] for row in ways.get(level, [])}
            reached = {
                row["case"]: first_below(row["points"], levels[row["case"]])
                for row in group
                if row["case"] in levels
            }
            held = [{"seconds": seconds} for seconds in reached.values() if seconds is not None]
            cells.append(f"{cell(held, 'seconds')}; {len(held)}/{len(reached)}" if reached else "–")
            if level == "pynx":
                cells.append(quicker(group, ways.get("pynx", []), reached))
        lines.append([label(group[0]), *cells])
    heading = [
        "seconds to PyNX's final likelihood; reached",
        "times quicker than PyNX",
        "seconds to ours after 620 iterations; reached",
    ]
    return table(["", *heading], lines)


def quicker(group: list[Row], peers: list[Row], reached: dict[str, float | None]) -> str:
    """Return a cell: how many times sooner than PyNX itself its final likelihood was reached, where it was."""
    own = {row["case"]: first_below(row["points"], row["free_llk"]) for row in peers}
    ratios = [own[case] / seconds for case, seconds in reached.items() if seconds and own.get(case)]
    if not ratios or group[0]["method"] == "pynx":
        return "–"
    text = cell([{"times": value} for value in ratios], "times")
    if group[0]["method"] in METHODS and group[0]["method"] != "ours":
        met = median(ratios) >= QUICKER and len(ratios) == len(reached)
        return (f"**{text}**" if met else text) + f" (target {QUICKER:.0f})"
    return text
