"""How devices are named: what a recipe, a training run and the command line take, before torch is asked what there is."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from ..faults import InputError

KINDS = ("auto", "cpu", "cuda", "mps")
"""What can be chosen anywhere; ``cuda:1`` is the second of several."""
_NAMES = re.compile(r"auto|cpu|(cuda|mps)(:\d+)?")


def named(name: str) -> str:
    """Return the name of a device as it is.

    Raises
    ------
    InputError
        If there is no such name.
    """
    if _NAMES.fullmatch(name) is None:
        raise InputError(
            f"There is no device '{name}'; choose {', '.join(KINDS)}, or one of several, as cuda:1."
        )
    return name


Device = Annotated[str, AfterValidator(named)]
"""The name of a device."""
