"""The pages that are made from the code: settings, commands, benchmarks, and the picture of the house."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
import tomllib
from html import escape
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from napari_autophase import cli
from napari_autophase.recipe import PRESETS, Recipe
from napari_autophase.recipe.settings import settings, takes, value_of, written

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def everything(folder: Path) -> None:
    """Write all generated pages into a folder; files that are the same already are left alone."""
    folder.mkdir(exist_ok=True)
    pages = {
        "recipe.md": recipe(),
        "presets.md": presets(),
        "commands.md": commands(),
        "benchmarks.md": benchmarks(),
        "house.svg": house(),
        "phasing.svg": house("phasing"),
        "window.svg": house("viewer.model"),
        "phasing_modules.md": modules("phasing"),
        "viewer_modules.md": modules("viewer"),
    }
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# -- the recipe -------------------------------------------------------------------------------------------------------


def recipe() -> str:
    """Return every setting: its name, what it takes, its default, what it does."""
    parts: dict[str, list[list[str]]] = {}
    for key, info in settings(Recipe):
        default = written(key, value_of(Recipe(), key)).partition("=")[2]
        row = [f"`{key}`", takes(info), f"`{default}`" if default else "empty", info.description or ""]
        parts.setdefault(key.rpartition(".")[0], []).append(row)
    text = []
    for part, rows in parts.items():
        title = f"`{part}`" if part else "The recipe itself"
        text.append(
            f"## {title}\n\n{_words_of(part)}\n\n{_table(['setting', 'takes', 'default', 'what it does'], rows)}"
        )
    return "\n\n".join(text) + "\n"


def presets() -> str:
    """Return what each preset sets, written out."""
    rows = []
    for key, _ in settings(Recipe):
        values = [written(key, value_of(Recipe.from_preset(name), key)).partition("=")[2] for name in PRESETS]
        if key != "preset" and len(set(values)) > 1:
            rows.append([f"`{key}`", *(f"`{value}`" if value else "empty" for value in values)])
    return _table(["setting", *(f"`{name}`" for name in PRESETS)], rows) + "\n"


def _words_of(part: str) -> str:
    model: type[BaseModel] = Recipe
    for name in filter(None, part.split(".")):
        model = model.model_fields[name].annotation  # type: ignore[assignment]
    return inspect.getdoc(model) or ""


# -- the command line -------------------------------------------------------------------------------------------------


def commands() -> str:
    """Return every command with its arguments and options, as typer knows them."""
    from typer.main import get_command

    return "\n\n".join(_described(get_command(cli.app), [cli.app.info.name or ""])) + "\n"


def _described(command: Any, path: list[str]) -> list[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name != "argument" and not each.hidden]
    words = " ".join(path)
    usage = [words, *(each.metavar or each.name.upper() for each in arguments)]
    if hasattr(command, "commands"):
        usage.append("COMMAND")
    level = "#" * min(len(path) + 1, 4)
    text = [
        f"{level} {words}",
        _prose(inspect.cleandoc(command.help or "")),
        f"```text\n{' '.join(usage)} [OPTIONS]\n```",
    ]
    rows = [[f"`{each.metavar or each.name.upper()}`", each.help or ""] for each in arguments]
    if rows:
        text.append(_table(["argument", "what it is"], rows))
    rows = [[_spelt(each), _default(each), each.help or ""] for each in options if each.name != "help"]
    if rows:
        text.append(_table(["option", "default", "what it does"], rows))
    for inner in getattr(command, "commands", {}).values():
        text += _described(inner, [*path, inner.name])
    return text


def _spelt(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    kind = option.type_descriptor.annotation
    if kind is bool:
        return names
    choices = "|".join(map(str, get_args(kind)))
    words = {int: "NUMBER", float: "NUMBER", Path: "FILE"}
    return f"{names} {_code(option.metavar or choices or words.get(kind, 'TEXT'))}"


def _default(option: Any) -> str:
    value = option.default
    if value is None or value is False:
        return ""
    return "on" if value is True else _code(str(value))


# -- the benchmarks ---------------------------------------------------------------------------------------------------


HEADINGS = {
    "network": "The network",
    "measured": "Crystals as they are measured",
    "peers": "Other programs",
    "iteration": "An iteration over the best pair of transforms",
    "saturation": "Clipped peaks",
    "confidence": "How sure results say they are, and how often they are right",
    "error_coverage": "How often the error of the strain covers the truth",
    "refinement": "Algorithms from the same starts",
    "work_less": "What less work saves, and costs",
    "objectives": "What a network should predict",
    "endings": "What follows a guess",
    "clicks": "How long each click of the window blocks it",
    "threads": "Threads, idle and beside a busy neighbour",
}
"""In their order; results that are not named follow."""


def benchmarks() -> str:
    """Return the tables that the benchmarks wrote, and the figures that stand in JSON alone."""
    text, first = [], list(HEADINGS)
    for path in sorted(
        RESULTS.glob("*.md"),
        key=lambda path: (first.index(path.stem) if path.stem in first else len(first), path),
    ):
        body = path.read_text(encoding="utf-8").strip()
        title = re.match(r"# (.*)\n", body)
        body = body[title.end() :] if title else body
        body = re.sub(r"^(#+) ", lambda found: f"#{found.group(1)} ", body, flags=re.MULTILINE)
        spare = title.group(1) if title else path.stem.replace("_", " ").capitalize()
        heading = HEADINGS.get(path.stem, spare)
        text.append(f"## {heading}\n\n{body.strip()}")
    for name, what in {
        "startup": "How soon the plugin is there",
        "window": "The window while it works",
        "slider": "The threshold slider",
    }.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            rows = [[f"`{key}`", value] for key, value in _flat(json.loads(path.read_text(encoding="utf-8")))]
            text.append(f"## {what}\n\n{_table(['figure', 'value'], rows)}")
    return "\n\n".join(text) + "\n"


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        named = " ".join(str(value[key]) for key in ("kind", "what") if key in value)
        inner = {key: each for key, each in value.items() if key not in ("kind", "what")}
        start = f"{path} {named}".strip()
        return [row for key, each in inner.items() for row in _flat(each, f"{start} {key}".strip())]
    if isinstance(value, list):
        return [
            row
            for number, each in enumerate(value, 1)
            for row in _flat(each, path if isinstance(each, dict) and "what" in each else f"{path} {number}")
        ]
    return [(path, f"{value:.4g}" if isinstance(value, float) else str(value))]


# -- the house --------------------------------------------------------------------------------------------------------


def modules(room: str) -> str:
    """Return a table of the modules of a package and of the packages in it, with the first line of each one's docstring."""
    folder = ROOT / "src" / "napari_autophase" / room
    rows = ["| module | what it is |", "| --- | --- |"]
    for path in sorted(folder.rglob("*.py"), key=lambda path: (path.parent, path.name)):
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        name = path.relative_to(folder.parent).as_posix().removesuffix("__init__.py")
        first = " ".join(said.split("\n\n")[0].split()).replace("|", "\\|")
        rows.append(f"| `{name}` | {first} |")
    return "\n".join(rows) + "\n"


def house(room: str = "") -> str:
    """Return a drawing of the packages in their layers, as the import contracts in ``pyproject.toml`` list them.

    Parameters
    ----------
    room
        The package whose modules are drawn; empty: the packages themselves.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    inside = [f"napari_autophase.{room}"] if room else None
    layers = next(
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers" and contract.get("containers") == inside
    )
    folder = ROOT.joinpath("src", "napari_autophase", *room.split("."))
    rows = [[_named(folder, each) for each in layer.split("|")] for layer in layers]
    rows = [[each for each in row if each] for row in rows]
    rows = [row for row in rows if row]
    width, line, gap, tall = 900, 16, 10, 0
    drawn = []
    for row in rows:
        each = (width - gap * (len(row) - 1)) / len(row)
        said = [textwrap.wrap(words, int((each - 24) / 6.4)) for _, words in row]
        height = 38 + line * max(map(len, said))
        for place, ((name, _), lines) in enumerate(zip(row, said, strict=True)):
            x = place * (each + gap)
            drawn.append(
                f'<rect x="{x:.0f}" y="{tall}" width="{each:.0f}" height="{height}" rx="6" fill="#e8eef6" stroke="#7890b0"/>'
                f'<text x="{x + 12:.0f}" y="{tall + 22}" font-weight="bold">{escape(name)}</text>'
            )
            drawn += (
                f'<text x="{x + 12:.0f}" y="{tall + 41 + line * number}" fill="#4a5563" font-size="12">{escape(words)}</text>'
                for number, words in enumerate(lines)
            )
        tall += height + gap
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {width + 4} {tall}" font-family="sans-serif" font-size="14">'
        f"<title>Each package may import those below it</title>{''.join(drawn)}</svg>\n"
    )


def _named(folder: Path, layer: str) -> tuple[str, str] | None:
    name = layer.strip(" ()").removeprefix("napari_autophase.")
    source = folder / name
    path = source / "__init__.py" if source.is_dir() else source.with_suffix(".py")
    if not path.exists():
        return None
    first = re.match(r'"""(.*?)(?:"""|\n\n|\Z)', path.read_text(encoding="utf-8"), re.DOTALL)
    words = " ".join(first.group(1).split()) if first else ""
    return name, words.partition(". ")[0].rstrip(".").replace("`", "")


# -- Markdown ---------------------------------------------------------------------------------------------------------


def _table(heading: list[str], rows: list[list[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return _prose(" ".join(text.split())).replace("|", "\\|")


def _prose(text: str) -> str:
    """Return plain text as Markdown shows it: options as code, and no star or underscore that would slant what follows."""
    parts = re.split(r"(`[^`]*`)", text)
    for number, part in enumerate(parts):
        if not part.startswith("`"):
            escaped = re.sub(r"([*_<])", r"\\\1", part)
            parts[number] = re.sub(r"(?<![\w-])(--[a-z][a-z-]*|-[a-z])\b", r"`\1`", escaped)
    return "".join(parts)


def _code(text: str) -> str:
    return f"`{text}`"
