"""What a scan's command and what was recorded of its motors say otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..geometry import Beamline, Circle, Source, mean_step
from .commands import step_of
from .logs import ScanLog

_UNLIKE = 0.2
"""Steps that were recorded differ from those of the command by no more than this part."""
_UNITS = {
    "radians": np.pi / 180,
    "millidegrees": 1e3,
    "millionths of a degree": 1e6,
    "thousands of degrees": 1e-3,
}
"""By how much a step in such units is larger, as a number, than in degrees."""
_NEAR, _STILL = 0.05, 0.05
"""How near to that it is; a circle whose angle changes by less, in degrees, stands still."""


def contradictions(
    log: ScanLog, beamline: Beamline, rocked: int, angles_deg: Sequence[float], moving: Sequence[int] = ()
) -> Iterator[str]:
    """Yield sentences on what the command of a scan does not say of its circles, or says otherwise than was recorded.

    Parameters
    ----------
    log, beamline
        The scan, and where it was measured.
    rocked, angles_deg
        Which of the sample's circles turned, and its angle in every frame.
    moving
        Which circles of the arm are known to move along.
    """
    circle = beamline.sample[rocked]
    step = mean_step(list(angles_deg))
    asked = step_of(log.command)
    if asked is not None:
        motor, by = asked
        named = next((each for each in beamline.sample if _is_called(log, beamline, each, motor)), None)
        if named is not None and named != circle:
            yield (
                f"'{log.command}' turns {named.motor}, but {log.path.name} records that {circle.motor} turned, which is taken: "
                f"if that is wrong, say --set geometry.rocking_circle={beamline.circle(named.motor)}."
            )
        elif named is not None and by and abs(step / by - 1) > _UNLIKE:
            unit = next((unit for unit, part in _UNITS.items() if abs(step / by / part - 1) < _NEAR), None)
            why = (
                f" (recorded in {unit}?)"
                if unit
                else " (the other way round)"
                if abs(step / by + 1) < _NEAR
                else ""
            )
            yield (
                f"'{log.command}' asks for steps of {by:.4g} degrees, but {log.path.name} records steps of {step:.4g}{why}: what "
                "is recorded is taken; --set geometry.rocking_step_deg=… says another."
            )
    still = [each for index, each in enumerate(beamline.sample) if index != rocked]
    still += [each for index, each in enumerate(beamline.arm) if index not in moving]
    for each in still:
        for source in beamline.files.of_motor(each.motor):
            column = log.column(source)
            if column is None or len(column) < 2 or not np.isfinite(column).all():
                continue
            ends = source.degrees(float(column[0])), source.degrees(float(column[-1]))
            if abs(ends[1] - ends[0]) > max(_STILL, abs(step)):
                yield (
                    f"{each.motor} turned along by {log.path.name}, from {ends[0]:.6g} to {ends[1]:.6g} degrees, of which the "
                    "geometry knows nothing: where it stood in the middle is taken for all frames."
                )
            break


def _is_called(log: ScanLog, beamline: Beamline, circle: Circle, motor: str) -> bool:
    """Tell whether a command means a circle by a word."""
    words = {each.lower() for each in log.names(motor)}
    sources: Sequence[Source] = beamline.files.of_motor(circle.motor)
    return circle.motor.lower() in words or any(
        each.name.rpartition("/")[2].lower() in words or any(map(each.fits, words)) for each in sources
    )
