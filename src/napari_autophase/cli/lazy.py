"""Commands that are imported when they are asked for: a program with many begins as soon as one with few."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import partial
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


class Commands(MutableMapping[str, Any]):
    """Commands by name, each made when it is first looked up.

    Parameters
    ----------
    homes
        Where each stands in this package: ``module:function``, or ``module:app`` of a group.
    """

    def __init__(self, homes: Mapping[str, str]) -> None:
        self._homes = dict(homes)
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._command(name)
        return self._made[name]

    def _command(self, name: str) -> Any:
        module, _, attribute = self._homes[name].partition(":")
        target = getattr(import_module(f".{module}", __package__), attribute)
        if not isinstance(target, typer.Typer):
            function, target = target, typer.Typer(add_completion=False)
            target.command(name, cls=Command)(function)
        made = get_command(target)
        made.name = name
        return made

    def __setitem__(self, name: str, command: Any) -> None:
        self._homes.setdefault(name, "")
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._homes[name]
        self._made.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)


class _AsGiven:
    """A command that lets texts, and options that are not given, pass as they are.

    typer imports pydantic to convert them to themselves, which takes longer than to list the scans of a file.
    """

    def get_params(self, context: Any) -> list[Any]:
        found: list[Any] = super().get_params(context)  # type: ignore[misc]
        for each in found:
            if "process_value" not in vars(each):
                each.process_value = partial(_processed, each, each.process_value)
        return found


def _processed(parameter: Any, convert: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    """Return a parameter's value, converted where there is something to convert."""
    if "" in (
        value if isinstance(value, list | tuple) else [value]
    ):  # a path would become the current folder
        raise typer.BadParameter("nothing was given", context, parameter)
    are_many = parameter.multiple or parameter.nargs == -1
    is_text = getattr(getattr(parameter, "type_descriptor", None), "annotation", None) is str
    if value is None and not parameter.required:
        value = () if are_many else None
    elif not (is_text and isinstance(value, str) and not are_many):
        return convert(context, value)
    return value if parameter.callback is None else parameter.callback(context, parameter, value)


class Command(_AsGiven, TyperCommand):
    """One command."""


def group_of(homes: Mapping[str, str]) -> type[TyperGroup]:
    """Return the class of a group with such commands, for ``typer.Typer(cls=...)``."""

    class Group(_AsGiven, TyperGroup):
        """A group whose commands stand in modules that need not be there yet."""

        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = Commands(homes)

    return Group
