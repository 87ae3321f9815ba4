"""The three applications of a surrogate benchmark, train, evaluate and run, and the command that writes a data set for them.

The first three also work in the layout of folders that such benchmarks mount: ``--input DIR --output DIR``.

- train: ``DIR/options.yaml`` (or ``.json``), ``DIR/train_dataset`` if it is there → ``DIR/model``
- evaluate: ``DIR/model``, ``DIR/test_dataset`` if it is there → ``DIR/metrics.json``
- run: ``DIR/model``, ``DIR/run_dataset`` → ``DIR/results``
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..faults import InputError
from ..files import make_folder
from ..memory import keep_freed_memory
from .options import DEVICE
from .targets import check_targets, write_each, write_json

if TYPE_CHECKING:
    from ..training import Trainer, TrainingConfig


Device = Annotated[str, DEVICE]
Input = Annotated[Path | None, typer.Option("--input", metavar="DIR", help="A benchmark's input folder.")]
WEIGHTS = "weights.safetensors"
"""Name of the file in the folder of a trained model."""
app = typer.Typer(add_completion=False, help="Train a network, evaluate it, and predict with it alone.")


@app.command()
def train(
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG", help="The run, as a JSON document.")
    ] = None,
    input_folder: Input = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where DIR/model goes, with --input.")
    ] = None,
) -> None:
    """Train a network on simulated crystals; a run that was stopped is resumed by running it again.

    Several processes: `torchrun --nproc-per-node N -m napari_autophase train CONFIG`.
    """
    from .. import training

    if (config is None) == (input_folder is None):
        raise InputError("Give train either CONFIG or --input DIR with DIR/options.yaml.")
    if input_folder is not None:
        chosen = _benchmark_options(input_folder, output)
    elif config is not None:
        chosen = training.TrainingConfig.from_file(config)
    keep_freed_memory()
    trainer = training.Trainer(chosen)
    told = trainer.ranks.first  # one process speaks for all
    for note in trainer.notes if told else ():
        print(note, flush=True)
    with _stopped_by_signals(trainer) as interrupted, _bar(told and sys.stderr.isatty()) as show:
        for row in trainer.train():
            show(row)
            if told and any(name.startswith("chi2") for name in row):  # this step was validated
                print(", ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
    if told:
        print(_where_it_stands(trainer))
    if interrupted():
        raise KeyboardInterrupt


@app.command()
def evaluate(
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights, instead of those shipped.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="CONFIG", help="Draw the population of this training run.")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Score on the .npy crystals of this folder instead.")
    ] = None,
    part: Annotated[
        Literal["test", "all"], typer.Option(help="Of that folder: what `train` leaves out, or everything.")
    ] = "test",
    run_folder: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="Folder of the training run, for its rate.")
    ] = None,
    input_folder: Input = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A .json file, or the folder where metrics.json goes.")
    ] = Path("metrics.json"),
    crystals: Annotated[int, typer.Option(min=1, help="How many are drawn.")] = 96,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the test streams.")] = 0,
    repeats: Annotated[int, typer.Option(min=1, help="Timed predictions at each batch size.")] = 10,
    device: Device = "auto",
) -> None:
    """Measure a network: accuracy on crystals that no training saw, rates, hardware, versions, hash."""
    if input_folder is not None:
        weights = weights or _model(input_folder)
        run_folder = run_folder or (weights.parent if (weights.parent / "checkpoint.json").exists() else None)
        if dataset is None and (input_folder / "test_dataset").is_dir():
            dataset, part = input_folder / "test_dataset", "all"
    target = output if output.suffix == ".json" else make_folder(output) / "metrics.json"
    check_targets([(target, ".json")], (weights,))

    from ..training import TrainingConfig
    from ..training.evaluate import SCORED, evaluate

    population = SCORED if config is None else TrainingConfig.from_file(config).drawn()
    metrics = evaluate(
        weights, crystals=crystals, seed=seed, population=population, published=dataset, part=part,
        run=run_folder, device=device, repeats=repeats,
    )  # fmt: skip
    for name, figures in metrics["accuracy"].items():
        if isinstance(figures, dict):
            scores = ", ".join(
                f"{key} {value['median']:.4g}" for key, value in figures.items() if key != "crystals"
            )
            print(f"{name:>6} ({figures['crystals']} crystals): {scores}")
    for name, rate in metrics["rates"]["inference_crystals_per_s"].items():
        print(f"{name.replace('_', ' ')}: {rate['median']:.4g} crystals/s")
    write_each([(target, partial(write_json, metrics))])


@app.command()
def run(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Of scans, in any format that is read.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the results go.")
    ] = Path("results"),
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights, instead of those shipped.")
    ] = None,
    input_folder: Input = None,
    device: Device = "auto",
) -> None:
    """Predict every scan of FOLDER with the network alone, and write NAME.cxi of each and one run.json."""
    if (folder is None) == (input_folder is None):
        raise InputError("Give run either FOLDER or --input DIR with DIR/run_dataset.")
    if input_folder is not None:
        folder, output = input_folder / "run_dataset", output / "results"
        weights = weights or _model(input_folder)
    assert folder is not None

    from .. import formats, reconstruct
    from ..recipe import Recipe

    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; check the path.")
    kinds = formats.suffixes()
    scans = sorted(file for file in folder.glob("*") if file.suffix.lower() in kinds)
    if not scans:
        raise InputError(f"There are no scans in {folder}; it should hold {', '.join(kinds)} files.")
    make_folder(output)
    settings: dict[str, Any] = {"device": device}
    if weights is not None:
        settings["guess.weights"] = str(weights)
    recipe = Recipe.from_preset("network").with_settings(settings)
    reports: list[dict[str, Any]] = []
    for file in scans:
        try:
            found = reconstruct.run(formats.read_scan(file), recipe)
            formats.write(found, output / f"{file.stem}.cxi")
            reports.append({"file": file.name, "result": f"{file.stem}.cxi", **found.report()})
        except InputError as error:  # one bad file is no reason to lose the others
            reports.append({"file": file.name, "error": str(error)})
        print(f"{file.name}: {reports[-1].get('error') or 'wrote ' + str(output / reports[-1]['result'])}")
    write_json({"scans": reports}, output / "run.json")
    failed = sum("error" in report for report in reports)
    if failed:
        raise InputError(
            f"{failed} of {len(scans)} scans could not be predicted; {output / 'run.json'} says why."
        )


@app.command("simulate-set")
def simulate_set(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go.")],
    crystals: Annotated[int, typer.Option(min=1, help="How many.")] = 1000,
    purpose: Annotated[
        Literal["train", "validation", "test"],
        typer.Option(help="Which of the disjoint streams to draw from."),
    ] = "train",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same crystals.")] = 0,
    config: Annotated[
        Path | None, typer.Option(metavar="CONFIG", help="Draw the population of this training run.")
    ] = None,
) -> None:
    """Write crystals of the training generator as 32³ complex .npy files (training itself draws them as it goes)."""
    from ..training import TrainingConfig
    from ..training.dataset import write_set

    population = None if config is None else TrainingConfig.from_file(config).drawn()
    written = sum(1 for _ in write_set(folder, crystals, purpose=purpose, seed=seed, population=population))
    print(f"wrote {written} crystals into {folder}")


def _benchmark_options(folder: Path, output: Path | None) -> TrainingConfig:
    from ..training import TrainingConfig

    options = next(
        (file for file in (folder / "options.yaml", folder / "options.json") if file.exists()), None
    )
    if options is None:
        raise InputError(f"There is no options.yaml in {folder}; write the training configuration there.")
    changes = {"folder": str((output or folder) / "model")}
    if (folder / "train_dataset").is_dir():
        changes["published"] = str(folder / "train_dataset")
    return TrainingConfig.from_document({**_options(options), **changes}, options)


def _options(file: Path) -> dict[str, Any]:
    text = file.read_text(encoding="utf-8")
    try:
        document = json.loads(text)  # which is YAML too, and needs nothing installed
    except ValueError:
        try:
            import yaml
        except ImportError:
            raise InputError(
                f"Reading {file} as YAML needs PyYAML: pip install 'napari-autophase[training]', or write it as JSON."
            ) from None
        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(f"{file} cannot be read: {error}.") from None
    if not isinstance(document, dict):
        raise InputError(f"{file} must hold the fields of a training configuration.")
    return document


def _model(folder: Path) -> Path:
    file = folder / "model" / WEIGHTS
    if not file.exists():
        raise InputError(f"There is no {file}; train first, with --output {folder}.")
    return file


def _where_it_stands(trainer: Trainer) -> str:
    if trainer.done >= 1:
        return f"finished after {trainer.step} batches: wrote {trainer.folder / WEIGHTS}"
    return (
        f"stopped at batch {trainer.step}, {trainer.done:.1%} of the run: the same command goes on from there"
    )


@contextmanager
def _stopped_by_signals(trainer: Trainer) -> Iterator[Any]:
    """Let SIGTERM, with which clusters end a job, and the first Ctrl-C stop the run with a checkpoint; tell of a Ctrl-C."""
    seen: list[int] = []

    def ask(number: int, _: object) -> None:
        seen.append(number)
        trainer.stop()
        signal.signal(number, before[number])  # a second one does not wait

    before: dict[int, Any] = {}
    for wanted in (signal.SIGINT, signal.SIGTERM):
        before[wanted] = signal.signal(wanted, ask)
    try:
        yield lambda: signal.SIGINT in seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _bar(shown: bool) -> Iterator[Any]:
    """Give a function that shows a row of the training as one line on stderr, or does nothing."""
    if not shown:
        yield lambda _: None
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (rich.TextColumn("train"), rich.BarColumn(), rich.TextColumn("{task.fields[text]}"))
    with rich.Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("train", total=1.0, text="")
        agreement = ""

        def show(row: dict[str, float]) -> None:
            nonlocal agreement
            if "correlation_low" in row:
                figures = "/".join(
                    f"{row.get(f'correlation_{name}', 0):.3f}" for name in ("low", "middle", "high")
                )
                agreement = f"correlation {figures}  "
            left = row["minutes"] * (1 - row["done"]) / max(row["done"], 1e-9)
            text = f"{row['done']:.1%}  batch {row['step']}  loss {row['loss']:.3f}  {agreement}"
            text += f"{row['crystals_per_s']:.3g} crystals/s  {_duration(left)} left"
            bars.update(task, completed=row["done"], text=text)

        yield show


def _duration(minutes: float) -> str:
    hours, minutes = divmod(minutes, 60)
    return f"{hours:.0f} h {minutes:.0f} min" if hours else f"{minutes:.1f} min"
