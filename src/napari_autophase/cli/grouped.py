"""Options that several commands have, written down once: an argument of a command, a dataclass, whose fields are options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command as typer is to see it: an argument that is a dataclass of options becomes these, where it stood."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: each.annotation for name, each in signature.parameters.items() if is_dataclass(each.annotation)
    }

    @functools.wraps(command)
    def spread_out(**given: Any) -> None:
        made = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    parameters: list[inspect.Parameter] = []
    for name, each in signature.parameters.items():
        each = each.replace(
            kind=inspect.Parameter.KEYWORD_ONLY
        )  # so that some may have a default, and those after them none
        if name not in groups:
            parameters.append(each)
            continue
        hints = get_type_hints(groups[name], include_extras=True)
        parameters += [
            each.replace(name=option.name, annotation=hints[option.name], default=option.default)
            for option in fields(groups[name])
        ]
    spread_out.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    spread_out.__annotations__ = {each.name: each.annotation for each in parameters}
    return spread_out
