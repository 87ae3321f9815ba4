"""What would make frames follow from those beside them, and how to say it."""

from __future__ import annotations

from dataclasses import dataclass

_WHY = (
    ": another attenuator or exposure does so, or a lost beam; give such frames a --mask, or bring their counts to those of the "
    "others."
)


@dataclass(frozen=True)
class Change:
    """What would make frames follow from those beside them.

    Parameters
    ----------
    frames
        The frames, from the first to the last that it is about; of an exchange the two.
    factor
        By which their counts are too high; 1 for another change.
    moved
        Rows and columns by which the frame lies elsewhere.
    onward
        The frame from which on all may have light of such a factor instead, which explains the frames hardly worse; None: none.
    lasts
        Whether it is about all frames from the first on.
    step
        Only each so many-th frame from the first to the last is meant.
    is_exchange
        Whether the two frames changed places.
    """

    frames: tuple[int, int]
    factor: float = 1.0
    moved: tuple[int, int] = (0, 0)
    is_exchange: bool = False
    onward: tuple[int, float] | None = None
    lasts: bool = False
    step: int = 1

    def said(self, frames: int) -> str:
        """Say it, of a scan of so many frames."""
        (first, last), others = self.frames, "those beside them"
        if self.is_exchange:
            return (
                f"Frames {first} and {last} would follow from those beside them if they changed places: put them in the order of "
                "the motor, or give them a --mask."
            )
        if self.step > 1:
            often = {2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth"}[self.step]
            which = ", ".join(str(first + at * self.step) for at in range(3))
            return (
                f"Every {often} frame ({which}, …, {last}) has {self.factor:.2g} "
                f"times the light that the others let expect{_WHY}"
            )
        if any(self.moved):
            way = " and ".join(
                f"{abs(by)} {what}{'' if abs(by) == 1 else 's'} {where[by > 0]}"
                for by, what, where in zip(
                    self.moved, ("row", "column"), (("up", "down"), ("left", "right")), strict=True
                )
                if by
            )
            if self.lasts:
                return (
                    f"From frame {first} on, all lies {way} of where the frames before have it: the detector or the sample "
                    f"slipped; put it right, or phase one part alone, as --crop {first}:{frames},… or --crop 0:{first},…."
                )
            return (
                f"Frame {first} lies {way} of where those beside it have it: the detector or the sample jumped; put it right, or "
                "give it a --mask."
            )
        if first == last:
            which, has, others = f"Frame {first}", "has", "those beside it"
            if self.factor > 1 and self.onward is None:
                return f"{which} is {self.factor:.2g} times brighter than {others}, in all pixels{_WHY}"
        elif last == frames - 1:
            which, has, others = f"From frame {first} on, frames", "have", "those before"
        else:
            which, has = f"Frames {first} to {last}", "have"
        onward = ""
        if self.onward is not None:
            onward = f", or all from frame {self.onward[0]} on have {self.onward[1]:.2g} times, which explains as much"
        return f"{which} {has} {self.factor:.2g} times the light that {others} let expect{onward}{_WHY}"
