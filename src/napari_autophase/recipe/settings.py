"""The settings of a nested pydantic model by their dotted names, in the words and the notation that a person uses."""

from __future__ import annotations

import json
import types
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from html import escape
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

_BOUNDS = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below"}
_Model = TypeVar("_Model", bound=BaseModel)


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield the dotted name and the description of every setting of a model, parts of it within."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from settings(info.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, info


def value_of(model: BaseModel, key: str) -> Any:
    """Return the value of the setting with a dotted name."""
    value: Any = model
    for name in key.split("."):
        value = getattr(value, name)
    return value


def written(key: str, value: Any) -> str:
    """Return a setting as a person writes it: ``prepare.crop=[128,96,96]``."""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return f"{key}={value}"


def takes(info: FieldInfo) -> str:
    """Say in words which values a setting takes, such as ``a number above 0 and at most 1``."""
    kind = _kind(info.annotation, info.metadata)
    return f"{kind}, such as {_listed([str(each) for each in info.examples])}" if info.examples else kind


def name_of(key: str, info: FieldInfo) -> str:
    """Return what a setting is called where people choose it."""
    return info.title or key.rpartition(".")[2].replace("_", " ").capitalize()


def unit_of(info: FieldInfo) -> str:
    """Return the unit that a setting is in; empty: none."""
    return _extra(info, "unit")


def zero_of(info: FieldInfo) -> str:
    """Return what 0 means, where it means something of its own."""
    return _extra(info, "zero")


def _extra(info: FieldInfo, name: str) -> str:
    return str(info.json_schema_extra.get(name, "")) if isinstance(info.json_schema_extra, dict) else ""


def problem(model: type[BaseModel], key: str, value: Any) -> str:
    """Say what is wrong with the value of one setting, as `fault` does; nothing: it is good."""
    document: Any = value
    for name in reversed(key.split(".")):
        document = {name: document}
    try:
        model.model_validate(document)
    except ValidationError as error:
        return _reason(error.errors()[0], dict(settings(model))[key])
    return ""


def fault(model: type[BaseModel], error: ValidationError, document: Any) -> str:
    """Say what is wrong with the first setting that pydantic refuses: its name, its value, and what it takes.

    Parameters
    ----------
    model, error, document
        What refused what, and how.

    Returns
    -------
    str
        Such as ``'refine.bta': there is no such setting`` or ``refine.beta=2 (it takes a number above 0 and at most 1)``.
    """
    known = dict(settings(model))
    first = error.errors()[0]
    steps = [str(step) for step in first["loc"]]
    names = [".".join(steps[:count]) for count in range(len(steps), 0, -1)]
    setting = next((name for name in names if name in known), None)
    if setting is None:
        where = ".".join(steps) or "the document"
        what = "there is no such setting" if first["type"] == "extra_forbidden" else first["msg"]
        return f"'{where}': {what}"
    value = document
    for step in setting.split("."):
        value = value[step]
    reason = _reason(first, known[setting])
    own = first["type"] == "value_error"
    return f"{written(setting, value)}: {reason}" if own else f"{written(setting, value)} ({reason})"


def _reason(error: Mapping[str, Any], info: FieldInfo) -> str:
    if error["type"] == "value_error":  # a validator of our own says it better
        return str(error["ctx"]["error"]).removesuffix(".")
    return f"it takes {takes(info)}"


def salvaged(model: type[_Model], document: dict[str, Any]) -> tuple[_Model, tuple[str, ...]]:
    """Return as much of a document as a model takes, and the settings that it does not, as a person writes them."""
    left = deepcopy(document)
    lost: list[str] = []
    while True:
        try:
            return model.model_validate(left), tuple(lost)
        except ValidationError as error:
            before = len(lost)
            for each in error.errors():
                lost += _taken_out(left, each["loc"])
            if len(lost) == before:
                raise


def as_numbers(value: Any) -> Any:
    """Return text that holds one number or several as these; anything else as it is."""
    if isinstance(value, str):
        with suppress(ValueError):
            numbers = [float(part) for part in value.replace(",", " ").split()]
            return numbers[0] if len(numbers) == 1 else numbers or value
    return value


def as_table(model: BaseModel, bold: Collection[str] = ()) -> str:
    """Return all settings of a model as a table in HTML, those named by `bold` in bold."""
    rows = []
    for key, info in settings(type(model)):
        value = escape(written(key, value_of(model, key)).partition("=")[2]) or "–"
        value = f"<b>{value}</b>" if key in bold else value
        rows.append((f"<code>{key}</code>", value, escape(info.description or "")))
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr><th>setting</th><th>value</th><th></th></tr>{cells}</table>"


def _taken_out(document: dict[str, Any], where: tuple[int | str, ...]) -> list[str]:
    """Take what is found first that is no part of `document` on the way to `where` out of it."""
    part: Any = document
    key: list[str] = []
    for step in where:
        if not isinstance(part, dict) or step not in part:
            return []  # out already: an error of one setting is told for every kind that it takes
        key.append(str(step))
        if not isinstance(part[step], dict) or step == where[-1]:
            return [written(".".join(key), part.pop(step))]
        part = part[step]
    return []


def _kind(kind: Any, metadata: list[Any]) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        inner = parts[1:]
        return _kind(parts[0], [bound for item in inner for bound in getattr(item, "metadata", [item])])
    if origin in (types.UnionType, Union):
        return _listed([_kind(part, metadata) for part in parts])
    if origin is Literal:
        return _listed([json.dumps(choice) if not isinstance(choice, str) else choice for choice in parts])
    if origin is tuple:
        number = "several" if parts[1:] == (...,) else str(len(parts))
        return f"{number} {_plural(_kind(parts[0], []))}"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "null"}
    name = names.get(kind, str(kind))
    return f"{name} {_limits(metadata)}".strip() if kind in (int, float) else name


def _limits(metadata: list[Any]) -> str:
    known = {
        bound: f"{value:g}" if abs(value) < 1e6 else str(value)
        for item in metadata
        for bound in _BOUNDS
        if (value := getattr(item, bound, None)) is not None
    }
    if known.get("ge") == known.get("le") is not None:
        return f"that is {known['ge']}"
    if {"ge", "le"} <= set(known):
        return f"from {known['ge']} to {known['le']}"
    return " and ".join(f"{_BOUNDS[bound]} {value}" for bound, value in known.items())


def _plural(words: str) -> str:
    article, noun, *more = words.removeprefix("a ").partition("number")
    return f"{article}{noun}s{''.join(more)}" if noun else words


def _listed(words: list[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
