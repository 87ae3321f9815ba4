"""Tables of `network.py`: figures by method, the target beside them, bold where it is met."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from common import SUCCESS, middle, quartiles, save, table

Found = dict[str, list[dict[str, Any]]]
TITLES = {
    "alone": "Network alone: phase range ≤ π, 64³, 1e6 counts at the peak",
    "refined": "Network and 50 ER: phase range ≤ 2π, 64³, 1e6 counts at the peak",
    "high": "Phase range 2π–5π: 64³, 1e4 to 1e6 counts at the peak, half with a dislocation, half with gaps and hot pixels",
    "time": "One guess at 64³",
    "real": "A real scan: gold, 34-ID-C, 200 × 128 × 128",
}
FIGURES = {
    "found": "found", "chi2": "χ²", "amplitude_ssim": "amplitude SSIM", "amplitude_ssim_rule": "amplitude SSIM, twin by rule",
    "support_iou": "support IoU", "support_iou_rule": "support IoU, twin by rule", "phase_error": "phase error, rad",
    "phase_error_rule": "phase error, rad, twin by rule", "correlation": "correlation", "twins": "the rule takes the nearer twin",
    "strain_correlation": "strain's correlation", "strain_rms": "strain's rms error",
    "correlation_rule": "correlation, twin by rule", "free_llk": "held-out likelihood",
    "pynx_correlation": "correlation with PyNX", "pynx_amplitude": "amplitude correlation with PyNX",
    "cohere_correlation": "correlation with cohere", "cohere_amplitude": "amplitude correlation with cohere",
    "seconds": "seconds", "time_share": "share of the time of 620 iterations",
}  # fmt: skip
TARGETS: dict[str, dict[str, tuple[str, float]]] = {
    "alone": {"chi2": ("≤", 0.016), "amplitude_ssim": ("≥", 0.96), "support_iou": ("≥", 0.85), "phase_error": ("≤", 0.20),
              "amplitude_ssim_rule": ("≥", 0.96), "support_iou_rule": ("≥", 0.85), "phase_error_rule": ("≤", 0.20)},
    "refined": {"chi2": ("≤", 0.003), "support_iou": ("≥", 0.95), "phase_error": ("≤", 0.06), "time_share": ("≤", 0.1)},
    "high": {"found": ("≥", 0.9)},
    "time": {"cpu": ("≤", 0.15), "cuda": ("≤", 0.002)},
    "real": {},
}  # fmt: skip
REFERENCE = "620 iterations"
TRUTH = "the truth itself"


def write(output: Path, found: dict[str, Found], timed: list[dict[str, Any]], notes: list[str]) -> None:
    """Write `.md` and `.json` beside the rows, and print the tables."""
    parts, summary = (
        [
            "# The network, measured",
            "Medians, quartiles in brackets; bold: the target is met. " + "; ".join(notes) + ".",
        ],
        {},
    )
    for row, methods in found.items():
        if methods:
            parts += [f"## {TITLES[row]}", figures_table(row, methods)]
            summary[row] = {name: summed(rows, methods) for name, rows in methods.items()}
    for row in timed:
        device = row.get("device", "cpu")
        parts += [
            f"## {TITLES['time']}" + (f", {device}" if device != "cpu" else ""),
            f"{row['machine']}, {row['threads']} threads, median of {row['repeats']} interleaved repeats; "
            f"target {' '.join(map(str, TARGETS['time'][device]))} s for the network.",
            times_table(row["guesses"], TARGETS["time"][device]),
        ]
        summary["time" if device == "cpu" else f"time, {device}"] = row
    text = "\n\n".join(parts) + "\n"
    output.with_suffix(".md").write_text(text, encoding="utf-8")
    content = {"notes": notes, "targets": TARGETS, "rows": summary}
    save(output.with_suffix(".json"), content)
    print(text)


def with_share(rows: list[dict[str, Any]], methods: Found) -> list[dict[str, Any]]:
    """Return the rows with the share that each took of the reference's time on the same crystal."""
    seconds = {json.dumps(r["case"]): r["seconds"] for r in methods.get(REFERENCE, [])}
    return [
        row | {"time_share": row["seconds"] / seconds[json.dumps(row["case"])]}
        if "seconds" in row and json.dumps(row["case"]) in seconds
        else row
        for row in rows
    ]


def summed(rows: list[dict[str, Any]], methods: Found) -> dict[str, Any]:
    """Return first quartile, median and third quartile of every figure, and how many were found of how many."""
    rows = with_share(rows, methods)
    found = {name: q for name in FIGURES if (q := quartiles(rows, name)) is not None}
    judged = [row["correlation"] for row in rows if "correlation" in row]
    alike = [row["correlation_rule"] > row["correlation"] - 1e-3 for row in rows if "correlation_rule" in row]
    counted = {"found": [sum(c >= SUCCESS for c in judged), len(judged)], "twins": [sum(alike), len(alike)]}
    return {"crystals": len(rows), **counted, **found}


def figures_table(row: str, methods: Found) -> str:
    """Return a table with a line a figure and a column a method."""
    targets = TARGETS[row]
    sums = {method: summed(rows, methods) for method, rows in methods.items()}
    lines = []
    for name, label in FIGURES.items():
        cells = []
        for method, rows in methods.items():
            value, cell = None, middle(with_share(rows, methods), name)
            if name in ("found", "twins"):
                hits, of = sums[method][name]
                value, cell = (hits / of, f"{hits}/{of}") if of and row != "real" else (None, "–")
            elif name in sums[method]:
                value = sums[method][name][1]
            reached = value is not None and name in targets and method != TRUTH and met(value, *targets[name])
            cells.append(f"**{cell}**" if reached else cell)
        if set(cells) != {"–"}:
            lines.append([label, " ".join(map(str, targets[name])) if name in targets else "", *cells])
    return table(
        [f"{max(map(len, methods.values()))} crystals" if row != "real" else "", "target", *methods], lines
    )


def times_table(guesses: dict[str, dict[str, float]], target: tuple[str, float]) -> str:
    """Return a table with a line a network."""
    lines = []
    for name, facts in guesses.items():
        seconds = f"{facts['seconds']:.3g}"
        cost = [f"{facts[f]:.3g}" if f in facts else "–" for f in ("million_parameters", "gmac")]
        aimed = "gmac" in facts and met(facts["seconds"], *target)
        lines.append([name, *cost, f"**{seconds}**" if aimed else seconds, f"{facts['slowest']:.3g}"])
    return table(["network", "parameters, M", "GMAC", "seconds", "slowest"], lines)


def met(value: float, sign: str, target: float) -> bool:
    """Say whether a value meets a target such as ("≤", 0.1)."""
    return value <= target if sign == "≤" else value >= target
