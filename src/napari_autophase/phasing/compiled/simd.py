"""Eight float32 numbers side by side as one value in compiled functions, so that every processor's vector registers are used.

numba alone turns loops into vector instructions only where it can prove that rows do not overlap, which it cannot between the
steps of a Fourier transform.  Here they are said outright: `load` and `store`, the operators + − * /, and a few more.
LLVM makes of eight numbers what the processor has: one AVX register, or two of SSE or NEON.
"""

from __future__ import annotations

import ctypes
import inspect
import operator
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.core.typing import signature
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 8
"""Numbers in one value."""

_FLOAT = ir.FloatType()
_EIGHT = ir.VectorType(_FLOAT, LANES)
_BYTES = ir.VectorType(ir.IntType(8), LANES)
_WHOLES = ir.VectorType(ir.IntType(32), LANES)
_INDEX = ir.IntType(32)
_FLAGS = ("fast",)

_GIVE_WAY = "napari_autophase_give_way"
_windows = sys.platform == "win32"
_system: Any = ctypes.CDLL("kernel32" if _windows else None)
binding.add_symbol(
    _GIVE_WAY, ctypes.cast(_system.SwitchToThread if _windows else _system.sched_yield, ctypes.c_void_p).value
)


class _Eight(types.Type):
    def __init__(self) -> None:
        super().__init__("Eight")


_eight = _Eight()


@register_model(_Eight)
class _EightModel(models.PrimitiveModel):
    def __init__(self, manager: Any, front_end_type: types.Type) -> None:
        super().__init__(manager, front_end_type, _EIGHT)


def _same(builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
    """Return eight times the same number."""
    one = builder.insert_element(ir.Constant(_EIGHT, ir.Undefined), number, _INDEX(0))
    return _picked(builder, one, one, [0] * LANES)


def _picked(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, order: Sequence[int]) -> ir.Value:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INDEX, len(order)), list(order)))


def _at(builder: ir.IRBuilder, numbers: ir.Value, place: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.bitcast(builder.gep(numbers, [place]), kind.as_pointer())


def _exact(kind: types.Type) -> types.Type:
    if isinstance(kind, types.Integer):
        return types.intp
    return types.float32 if isinstance(kind, types.Float) else kind


def _function(lower: Callable[..., ir.Value | None], result: types.Type = _eight) -> Any:
    """Make a function for compiled code of what `lower` writes with a builder; arrays are handed to it as pointers."""

    def typed(_: Any, *kinds: types.Type) -> Any:
        def written(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
            pairs = zip(signature.args, values, strict=True)
            plain = [
                context.make_array(kind)(context, builder, value).data
                if isinstance(kind, types.Array)
                else value
                for kind, value in pairs
            ]
            found = lower(builder, *plain)
            return context.get_dummy_value() if found is None else found

        return result(*map(_exact, kinds)), written

    typed.__signature__ = inspect.signature(lower)  # type: ignore[attr-defined]  # numba counts the parameters
    return intrinsic(typed)


@intrinsic
def _pointer(_: Any, array: Any) -> Any:
    def written(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return context.make_array(signature.args[0])(context, builder, values[0]).data

    return types.CPointer(array.dtype)(array), written


def _arithmetic(sign: Callable[[Any, Any], Any], instruction: str) -> None:
    """Teach numba `sign` between two values, or a value and a float32."""

    def typed(context: Any) -> Any:  # noqa: ARG001 - numba asks for the name
        def of(a: types.Type, b: types.Type) -> Any:
            return signature(_eight, _exact(a), _exact(b)) if _eight in (a, b) else None

        return of

    type_callable(sign)(typed)

    def lower(_: Any, builder: ir.IRBuilder, kinds: Any, values: Any) -> ir.Value:
        pairs = zip(kinds.args, values, strict=True)
        both = [value if kind is _eight else _same(builder, value) for kind, value in pairs]
        return getattr(builder, instruction)(*both, flags=_FLAGS)

    for kinds in ((_Eight, _Eight), (_Eight, types.Float), (types.Float, _Eight)):
        lower_builtin(sign, *kinds)(lower)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
_arithmetic(operator.truediv, "fdiv")


def _load(builder: ir.IRBuilder, numbers: ir.Value, place: ir.Value) -> ir.Value:
    value = builder.load(_at(builder, numbers, place, _EIGHT))
    value.align = 4
    return value


def _store(builder: ir.IRBuilder, numbers: ir.Value, place: ir.Value, value: ir.Value) -> None:
    builder.store(value, _at(builder, numbers, place, _EIGHT)).align = 4


def _ahead(builder: ir.IRBuilder, numbers: ir.Value, place: ir.Value) -> None:
    pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    prefetch = builder.module.declare_intrinsic(
        "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
    )
    at = builder.bitcast(builder.gep(numbers, [place]), pointer)
    builder.call(prefetch, [at, *(ir.Constant(number, flag) for flag in (0, 3, 1))])


def _root(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    kind = ir.FunctionType(_EIGHT, [_EIGHT])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.sqrt.v8f32"), [value])


def _at_least(builder: ir.IRBuilder, value: ir.Value, number: ir.Value) -> ir.Value:
    least = _same(builder, number)
    return builder.select(builder.fcmp_ordered(">", value, least), value, least)


def _at_most(builder: ir.IRBuilder, value: ir.Value, number: ir.Value) -> ir.Value:
    most = _same(builder, number)
    return builder.select(builder.fcmp_ordered("<", value, most), value, most)


def _larger(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> ir.Value:
    return builder.select(builder.fcmp_ordered(">", a, b), a, b)


def _where_measured(builder: ir.IRBuilder, modulus: ir.Value, yes: ir.Value, no: ir.Value) -> ir.Value:
    zero = ir.Constant(_EIGHT, [0.0] * LANES)
    return builder.select(builder.fcmp_ordered(">=", modulus, zero), yes, no)


def _where_inside(
    builder: ir.IRBuilder, support: ir.Value, place: ir.Value, yes: ir.Value, no: ir.Value
) -> ir.Value:
    found = builder.load(_at(builder, support, place, _BYTES))
    found.align = 1
    return builder.select(builder.icmp_unsigned("!=", found, ir.Constant(_BYTES, [0] * LANES)), yes, no)


def _shifted(builder: ir.IRBuilder, value: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the bits of positive numbers, and the whole e with x = m·2^e and √½ ≤ m < √2."""
    bits = builder.bitcast(value, _WHOLES)
    above = builder.sub(bits, _wholes(0x3F3504F3))  # the bits of √½
    return bits, builder.ashr(above, _wholes(23))


def _wholes(number: int) -> ir.Constant:
    return ir.Constant(_WHOLES, [number] * LANES)


def _exponent(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    return builder.sitofp(_shifted(builder, value)[1], _EIGHT)


def _mantissa(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    bits, exponent = _shifted(builder, value)
    return builder.bitcast(builder.sub(bits, builder.shl(exponent, _wholes(23))), _EIGHT)


def _take(builder: ir.IRBuilder, numbers: ir.Value, place: ir.Value) -> ir.Value:
    one = ir.Constant(ir.IntType(64), 1)
    return builder.atomic_rmw("add", builder.gep(numbers, [place]), one, "seq_cst")


def _now(builder: ir.IRBuilder, numbers: ir.Value, place: ir.Value) -> ir.Value:
    return builder.load_atomic(builder.gep(numbers, [place]), "seq_cst", 8)


def _pause(builder: ir.IRBuilder) -> None:
    machine, number = platform.machine().lower(), ir.IntType(32)
    if machine in ("x86_64", "amd64"):
        kind = ir.FunctionType(ir.VoidType(), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
    elif machine in ("arm64", "aarch64"):
        kind = ir.FunctionType(ir.VoidType(), [number])
        hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.aarch64.hint")
        builder.call(hint, [ir.Constant(number, 1)])


def _give_way(builder: ir.IRBuilder) -> None:
    kind = ir.FunctionType(ir.IntType(32), [])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, _GIVE_WAY), [])


def _shuffle(*order: int) -> Any:
    return _function(lambda builder, a, b: _picked(builder, a, b, order))


pointer: Any = _pointer
"""pointer(array): where its numbers are; unlike an array it costs nothing to hand on, and knows no negative places."""
load = _function(_load)
"""load(array, place): array[place : place + 8] of a one-dimensional float32 array."""
store = _function(_store, types.void)
"""store(array, place, value)."""
ahead = _function(_ahead, types.void)
"""ahead(array, place): have array[place] brought into the caches; a place outside does no harm."""
eight = _function(_same)
"""eight(number): eight times a float32."""
root = _function(_root)
"""root(value): the square roots."""
at_least = _function(_at_least)
"""at_least(value, number): the larger one of each value and a float32."""
at_most = _function(_at_most)
"""at_most(value, number): the smaller one of each value and a float32."""
larger = _function(_larger)
"""larger(a, b): the larger one of each two numbers."""
where_measured = _function(_where_measured)
"""where_measured(modulus, yes, no): `yes` where `modulus` is not negative, and `no` elsewhere."""
where_inside = _function(_where_inside)
"""where_inside(support, place, yes, no): `yes` where the bytes from `place` on are not zero, and `no` elsewhere."""
exponent, mantissa = _function(_exponent), _function(_mantissa)
"""exponent(value), mantissa(value): e and m of positive numbers m·2^e with √½ ≤ m < √2."""
take = _function(_take, types.intp)
"""take(array, place): array[place] of int64 before one was added, by one thread at a time."""
now = _function(_now, types.intp)
"""now(array, place): array[place] of int64, as the other threads have left it, and all that they wrote before."""
pause = _function(_pause, types.void)
"""pause(): let the processor's core do something else for a moment."""
give_way = _function(_give_way, types.void)
"""give_way(): let the system's other threads have the core."""

evens, odds = _shuffle(*range(0, 16, 2)), _shuffle(*range(1, 16, 2))
"""evens(a, b), odds(a, b): every second number of two values one after the other."""
first_pairs, last_pairs = _shuffle(0, 8, 1, 9, 2, 10, 3, 11), _shuffle(4, 12, 5, 13, 6, 14, 7, 15)
"""first_pairs(a, b), last_pairs(a, b): the numbers of two values in turns, which undoes `evens` and `odds`."""

# the three steps of turning a tile of 8 × 8 over
ones_low, ones_high = _shuffle(0, 8, 1, 9, 4, 12, 5, 13), _shuffle(2, 10, 3, 11, 6, 14, 7, 15)
twos_low, twos_high = _shuffle(0, 1, 8, 9, 4, 5, 12, 13), _shuffle(2, 3, 10, 11, 6, 7, 14, 15)
fours_low, fours_high = _shuffle(0, 1, 2, 3, 8, 9, 10, 11), _shuffle(4, 5, 6, 7, 12, 13, 14, 15)
