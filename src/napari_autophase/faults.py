"""Unusable input: the error that says so, and what pydantic finds wrong with a document, in words without types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_LIST = "list (write values with commas between)"
_NUMBER = {
    "float_parsing": "number",
    "float_type": "number",
    "finite_number": "finite number",
    "int_parsing": "whole number",
    "int_type": "whole number",
    "int_from_float": "whole number",
    "string_type": "text",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": "object with keys",
    "model_type": "object with keys",
}
_LIMITS = {"greater_than": ("gt", "more than"), "greater_than_equal": ("ge", "at least"), "less_than": ("lt", "less than"),
           "less_than_equal": ("le", "at most")}  # fmt: skip

_TYPES = ("str", "float", "int", "bool")


class InputError(ValueError):
    """Unusable input: its text is one clear sentence that says what is wrong and what to do about it."""


def first_fault(faults: Sequence[Mapping[str, Any]]) -> str:
    """Return where the first of some faults stands, and what is wrong there: " at 'refine.beta': 3 must be at most 1".

    Parameters
    ----------
    faults
        What ``ValidationError.errors()`` returns.
    """
    where, what = next(iter(faults_by_key(faults).items()))
    return f" at '{where}': {what}" if where else f": {what}"


def faults_by_key(faults: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return for each setting with a fault its name and what is wrong with it.

    A setting of which several kinds are allowed has a fault for each; they are said together.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for fault in faults:
        groups.setdefault(_name(fault["loc"]), []).append(fault)
    return {name: _said(group) for name, group in groups.items()}


def _name(place: Sequence[int | str]) -> str:
    """Return the path of a setting, without the types that pydantic puts into it, and without the place in a list at its end."""
    names = [
        str(step) for step in place if isinstance(step, int) or (step.isidentifier() and step not in _TYPES)
    ]
    while names and names[-1].isdigit():
        names.pop()
    return ".".join(names)


def _said(group: Sequence[Mapping[str, Any]]) -> str:
    missing = [fault for fault in group if fault["type"] == "missing" and isinstance(fault["loc"][-1], int)]
    if missing:  # of a list, and there is a fault for each
        given = len(missing[0]["input"])
        return f"{_values(given)} given, {given + len(missing)} are needed"
    return " and ".join(dict.fromkeys(map(_one, group)))


def _values(number: int) -> str:
    return "1 value is" if number == 1 else f"{number} values are"


def _one(fault: Mapping[str, Any]) -> str:
    kind, given, context = fault["type"], fault.get("input"), fault.get("ctx", {})
    shown = f"'{given}'" if isinstance(given, str) else f"{given}"
    if kind in ("bool_parsing", "bool_type"):
        return f"{shown} is neither true nor false"
    if kind in _NUMBER:
        return f"{shown} is no {_NUMBER[kind]}"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"{shown} must be {words} {context[name]:g}"
    if kind == "too_long":
        return f"{_values(int(context['actual_length']))} given, {context['max_length']} are needed"
    if kind == "literal_error":
        return f"{shown} is not {context['expected']}"
    if kind == "missing":
        return "it is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return "there is no such setting"
    if kind == "json_invalid":
        return f"it is no JSON ({context['error']})"
    return str(fault["msg"]).removeprefix("Value error, ")
