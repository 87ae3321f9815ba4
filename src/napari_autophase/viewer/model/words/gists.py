"""What is in a section that is closed, in a line, and whether that is as it should be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ....geometry import Geometry, Verdict
    from ....reconstruction import Reconstruction
    from ....summary import ScanSummary

Mark = Literal["", "good", "doubt", "off"]
"""Whether it is as it should be; empty: that is not known, or there is nothing to judge."""
HARD, LOST = 3.0, 2.0
"""Oversampling below which phasing is hard, and below which it is not unique."""
_FIELDS = {"dark": "dark field", "white": "white field", "roi": "region", "values": "numbers", "axes": "axes"}
"""What of a file can be said beside mask and crop, as a closed section calls it."""


@dataclass(frozen=True)
class Gist:
    """What is in a section.

    Parameters
    ----------
    words
        A line; what matters most stands first, as the rest may be cut off.
    mark
        Whether it is as it should be.
    more
        Sentences that explain the mark.
    """

    words: str = ""
    mark: Mark = ""
    more: tuple[str, ...] = ()


_NOT_USED = Gist("what was typed is not used yet", "off")
_UNKNOWN = Gist("unknown: lengths in voxels", "doubt")


def prepared(said: Mapping[str, str], masked: int | None, binning: Sequence[int]) -> Gist:
    """Return how a scan is read and prepared: by what was said of its file, with so many voxels masked (None: unknown yet)."""
    parts = [] if masked is None else [f"{masked:,} masked" if masked else "nothing masked"]
    parts.append(f"crop {said['crop']}" if said.get("crop") else "no crop")
    binned = ["bin " + ",".join(map(str, binning))] if any(side > 1 for side in binning) else []
    others = [text for name, text in _FIELDS.items() if said.get(name)]
    return Gist(" · ".join([*parts, *binned, *others]))


def summed(count: int, ticked: int) -> Gist:
    """Return of how many scans the current one is the sum, and whether others are ticked than were summed."""
    words = f"sum of {count + 1} scans" if count else "no other scan"
    return Gist(f"{words} · {ticked} ticked, not summed yet", "doubt") if ticked != count else Gist(words)


def pictured(shape: Sequence[int], at: Sequence[int]) -> Gist:
    """Return how large a scan is, and where it is brightest."""
    return Gist(f"{' × '.join(map(str, shape))} · peak {', '.join(map(str, at))}")


def understood(found: ScanSummary) -> Gist:
    """Return how far a scan is oversampled, and whether anything is off."""
    least, off = min(found.oversampling), () if found.seen is None else found.seen.off
    mark: Mark = "off" if least < LOST or off else "doubt" if least < HARD else "good"
    too_low = {
        "off": f"Below {LOST:g} phasing is not unique.",
        "doubt": f"Below {HARD:g} phasing is hard.",
    }
    more = (too_low["off" if least < LOST else "doubt"],) if least < HARD else ()
    ratios = " × ".join(f"{ratio:.1f}" for ratio in found.oversampling)
    return Gist(f"oversampling ≥ {least:.1f}", mark, (f"{ratios} along frames, rows, columns", *more, *off))


def stood(geometry: Geometry | None, found: ScanSummary | None, edited: bool = False) -> Gist:
    """Return how detector and sample stood, with the spacing that follows from it; `edited`: what was typed is not used yet."""
    if edited or geometry is None:
        return _NOT_USED if edited else _UNKNOWN
    words, seen = f"{geometry.energy_kev:.5g} keV", None if found is None else found.seen
    if seen is None:
        return Gist(words)
    words += f" · d {seen.spacing_nm:.4f} nm"
    if seen.mismatch_percent is not None:
        words += f" · {seen.mismatch_percent:+.2f} %".replace("-", "−")
    return Gist(words, "off" if seen.off else "good", seen.off)


def placed(found: Reconstruction, edited: bool = False) -> Gist:
    """Return how a result lies in space: by which energy, and which spacing; `edited`: what was typed is not used yet."""
    if edited or found.voxel_steps_nm is None:
        return _NOT_USED if edited else _UNKNOWN
    energy = [] if found.scan_geometry is None else [f"{found.scan_geometry.energy_kev:.5g} keV"]
    q = found.q_bragg_per_nm
    spacing = [] if q is None else [f"d {2 * math.pi / math.hypot(*q):.4f} nm"]
    return Gist(" · ".join([*energy, *spacing]) or "known")


def tested(verdict: Verdict | None, stated: bool) -> Gist:
    """Return what a test says of the detector's mount; `stated`: that it is as the geometry has it, where it is certain."""
    if verdict is None:
        return Gist("not done")
    if not verdict.decisive:
        return Gist("cannot tell", "doubt", (verdict.sentence,))
    return Gist(*(("confirmed", "good") if stated else ("another mount", "off")), (verdict.sentence,))


def settings(preset: str, changes: Sequence[str]) -> Gist:
    """Return which settings are not as their preset has them."""
    return Gist(f"{len(changes)} changed: {', '.join(changes)}" if changes else f"as {preset} has them")


def part(labels: Sequence[str], changes: Sequence[str]) -> Gist:
    """Return which settings of a part are not as their preset has them, or else which there are."""
    return settings("", changes) if changes else Gist(", ".join(labels))


def told(sentences: Sequence[str]) -> Gist:
    """Return the first of several sentences."""
    return Gist(sentences[0] if sentences else "", more=tuple(sentences[1:]))


def tuned(state: str, before: float | None = None, after: float | None = None) -> Gist:
    """Return what fine-tuning has come to, with χ² of the network alone before and after; no `after`: nothing was gained."""
    if state in ("running", "cancelling"):
        return Gist("at work")
    if state == "failed":
        return Gist("failed", "off")
    if before is None:
        return Gist("not done")
    if after is None:
        return Gist("nothing was gained", "doubt")
    return Gist(f"χ² {before:.3g} → {after:.3g}", "good")


def kept(path: str | None, when: str, changed: bool) -> Gist:
    """Return where a result is kept: the file, when it was written (empty: it was read), and whether it was changed since."""
    if path is None:
        return Gist("not saved yet")
    name = Path(path).name
    if changed:
        return Gist(
            f"changed since {name}", "doubt", ("What was changed is not in the file: save it again.",)
        )
    return Gist(f"saved {when} {name}" if when else f"from {name}", "good", (path,))
