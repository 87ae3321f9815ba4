"""The command that tunes a network on measured scans."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..memory import keep_freed_memory
from ..presets import Preset
from .arguments import file_of
from .options import DEVICE
from .targets import check_targets, write_each, write_json


def finetune(
    scans: Annotated[
        list[str], typer.Argument(metavar="SCAN…", help="Files or folders; FILE::DATASET picks one.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="TUNED.safetensors", help="Where the weights go."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, max=10_000, help="Steps; 20 to 200 are of use.")] = 50,
    learning_rate: Annotated[float, typer.Option(help="Largest step of Adam.")] = 5e-5,
    views: Annotated[int, typer.Option(min=1, max=48, help="Orientations of a scan in each step.")] = 2,
    preset: Annotated[
        Preset | None,
        typer.Option(help="How the scans are reconstructed first: `fast` unless said otherwise."),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="RECIPE.json", help="A recipe instead of a preset.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting of the recipe.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="Mask of every scan: not 0 is unusable.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights to begin with, instead of those shipped.")
    ] = None,
    device: Annotated[str | None, DEVICE] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all random numbers.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="REPORT.json", help="Figures before and after, provenance.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite TUNED.safetensors.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Tune the network on measured SCANs, without any truth; the weights go to a new file.

    Each scan is reconstructed, the network learns to see at once what was found, and voxels held out of everything choose the
    step whose weights are kept.  Use them with `reconstruct --weights`.  Without -o they go to NAME_finetuned.safetensors.
    """
    from .. import progress
    from ..evidence import MEANINGS
    from .inputs import ScanFiles, choose_recipe, read_scan

    chosen = choose_recipe(preset, recipe, settings or [])
    explicit = {"device": device, "seed": seed, "guess.weights": None if weights is None else str(weights)}
    chosen = chosen.with_settings({key: value for key, value in explicit.items() if value is not None})
    target = output or Path(f"{file_of(scans[0]).stem}_finetuned.safetensors")
    check_targets([(target, ".safetensors"), (report, ".json")], (*scans, recipe, mask, weights))
    measured = [read_scan(scan, ScanFiles(mask=mask)) for scan in scans]

    from ..training.finetune import check_target, finetune

    check_target(target, overwrite=force)  # before anything is computed
    keep_freed_memory()
    job = finetune(measured, chosen, steps=steps, learning_rate=learning_rate, views=views)
    with progress.shown(False if quiet else None) as report_step:
        tuned = progress.driven(job, report_step)
    if not quiet:
        for one, before, after in zip(measured, tuned.before, tuned.after, strict=True):
            changes = (f"{name} {before[name]:.4g} → {after[name]:.4g}" for name in before)
            print(f"{one.name}: {', '.join(changes)}")
        for name in tuned.before[0]:
            print(f"{name}: {MEANINGS[name]}")
        if tuned.kept_step == 0:
            print(
                "note: no step predicted the held-out pixels better; the weights are those of the beginning."
            )
    write_each(
        [
            (target, partial(tuned.save, overwrite=force)),
            (report, partial(write_json, tuned.made_by)),
        ],
        quiet=quiet,
    )
