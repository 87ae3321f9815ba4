"""What frames look like that are not what they should be: sentences for a person, who knows."""

from __future__ import annotations

import numpy as np


def which_rocks(shape: tuple[int, ...]) -> list[str]:
    """Say so if frames look as if they lay along the last axis."""
    if len(shape) != 3 or not shape[0] == shape[1] != shape[2]:
        return []
    return [
        f"The frames have {shape[1]} × {shape[2]} pixels, and there are {shape[0]} of them: if it is the last axis that "
        "rocks, say so with --axes 2,0,1."
    ]


def repeated(counts: np.ndarray) -> list[str]:
    """Say which frames are the same as the one before: photons never come twice in the same way."""
    same = [
        index
        for index in range(1, len(counts))
        if counts[index].any() and np.array_equal(counts[index], counts[index - 1])
    ]
    if not same:
        return []
    pairs = ", ".join(f"{index - 1} and {index}" for index in same[:4])
    more = f", and {len(same) - 4} more pairs" if len(same) > 4 else ""
    return [
        f"Frames {pairs}{more} are the same, photon by photon: one of them was written twice, and another may be lost."
    ]
