"""A device that is not there: tensors say that they are on it, and the CPU computes.

What is wrong with a program that only a GPU would tell, a pretended one tells too: it raises where tensors of two devices meet,
where double precision is asked of mps and where memory runs out, and it counts launches, synchronisations and bytes, with
the line of the program that asked for it.  What it cannot tell is time, and what real kernels do.

A tensor of the device is a wrapper around one of the CPU.  To torch itself it is one of ``meta``, whose operations need no
driver; `Pretended.device` says what the program is to believe.  A mode for functions turns the device's name into ``meta``, and
answers what asks for values; a mode for operations takes the wrappers off, has the CPU compute, and puts them on again.
"""

from __future__ import annotations

import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

PACKAGE = "napari_autophase"
META = torch.device("meta")
BLOCK = 512
"""Bytes: CUDA's allocator hands out multiples of these."""
ROOM = 80 * 2**30
"""Bytes that the device has unless a test says otherwise."""
_QUIET = """view _unsafe_view select slice permute transpose t unsqueeze squeeze expand as_strided view_as_real view_as_complex
detach alias _reshape_alias unbind split split_with_sizes real imag _conj narrow unfold diagonal chunk lift_fresh empty empty_like
empty_strided new_empty movedim _local_scalar_dense is_same_size"""
QUIET = frozenset(_QUIET.split())
"""What only looks at memory in another way, or sets it aside, and launches nothing."""
WAITS = frozenset(
    (
        "_local_scalar_dense",
        "nonzero",
        "equal",
        "masked_select",
        "_unique2",
        "unique_dim",
        "unique_consecutive",
    )
)
"""What has a result, or a shape of it, that the CPU waits for."""
INDEXES = frozenset(("index", "index_put", "index_put_", "_index_put_impl_"))
ASKS = frozenset(
    ("item", "tolist", "__bool__", "__float__", "__int__", "__index__", "__complex__", "__contains__")
)
_NAMES = (torch.device, str)
MAKES = frozenset((torch.tensor, torch.as_tensor, torch.asarray))


class MixedDevicesError(RuntimeError):
    """A tensor of the CPU met one of the device."""


class NoDoubleError(TypeError):
    """Mps was asked for double precision."""


class Pretended(torch.Tensor):
    """A tensor that says it is on a device that is not there."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    held: torch.Tensor
    where: torch.device

    @staticmethod
    def __new__(cls, held: torch.Tensor, where: torch.device) -> Pretended:
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device=META
        )  # fmt: skip
        made.held, made.where = held, where
        return made

    def __repr__(self, **_: Any) -> str:
        return f"Pretended({tuple(self.shape)}, {self.dtype}, {self.where})"

    def __deepcopy__(self, memo: dict[int, Any]) -> torch.Tensor:
        if id(self) not in memo:
            new = self.detach().clone()
            if getattr(self, "_is_param", False):
                new = torch.nn.Parameter(new, requires_grad=self.requires_grad)
            memo[id(self)] = new
        return memo[id(self)]

    device = property(lambda self: self.where)
    is_meta = property(lambda _: False)
    is_cpu = property(lambda _: False)
    is_cuda = property(lambda self: self.where.type == "cuda")

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError(f"can't convert {self.where} device type tensor to numpy")

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} outside of the pretended device")


class Device(TorchDispatchMode):
    """Carries out what is asked of the device.

    Attributes
    ----------
    launches
        Kernels started, by line; a transform of three axes starts three.
    syncs
        What made the CPU wait for the device, by operation and line.
    uploads
        Copies from the CPU, by line.
    allocations
        By line.
    live, peak, peak_at
        Bytes in use, the most there were, and the line at which they were.
    limit
        Bytes there are.
    fails
        Lines, ``file:line``, whose next allocation finds no memory.
    """

    def __init__(self, kind: str, limit: int = ROOM, index: int = 0) -> None:
        super().__init__()
        self.where, self.limit = torch.device(kind, index), limit
        self.live = self.current = 0
        self.fails: set[str] = set()
        self._seen: set[int] = set()
        self.forget()

    def make_current(self, where: Any) -> None:
        """Take a card for the one that is meant where none is named."""
        self.current = torch.device(where).index or 0

    def forget(self) -> None:
        """Begin to count anew."""
        self.launches, self.syncs = Counter[str](), Counter[str]()
        self.uploads, self.allocations = Counter[str](), Counter[str]()
        self.peak, self.peak_at = self.live, ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors: list[torch.Tensor] = []
        _each(lambda leaf: tensors.append(leaf) if isinstance(leaf, torch.Tensor) else None, (args, kwargs))
        ours = any(isinstance(one, Pretended) for one in tensors)
        target = kwargs.get("device")
        if not ours and target != META:
            return func(*args, **kwargs)
        if torch.is_inference_mode_enabled() and _is_composite(func):
            with self:  # which hands over what it would take apart otherwise
                return func.decompose(*args, **kwargs)
        return self._run(func, args, kwargs, tensors, target)

    def _run(self, func: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor], target: Any) -> Any:
        name = func._schema.name.partition("::")[2]
        self._refuse_a_mixture(name, args, tensors)
        self._note_wait(name, args, target)
        bare = {
            key: torch.device("cpu") if key == "device" and value is not None else value
            for key, value in kwargs.items()
        }
        taken_off, bare = _each(lambda leaf: leaf.held if isinstance(leaf, Pretended) else leaf, (args, bare))
        size = _workspace(name, taken_off, bare.get("dtype"))
        if size:
            self._take(size)
        try:
            found = _convolved(*taken_off) if name == "convolution" else func(*taken_off, **bare)
            if name not in QUIET:
                self.launches[place()] += 3 if name.startswith("_fft") else 1
            if target is not None and target != META:
                return found  # brought to the CPU
            returned = func._schema.returns
            if returned and returned[0].alias_info is not None and returned[0].alias_info.is_write:
                written = kwargs["out"] if "out" in kwargs else args[0]
                return (
                    written if len(returned) == 1 or isinstance(written, list) else _each(self._put_on, found)
                )
            if (
                returned and returned[0].alias_info is not None
            ):  # a view is of the kind of what it is a view of
                with torch.inference_mode(tensors[0].is_inference()):
                    return _each(self._put_on, found)
            return _each(self._put_on, found)
        finally:
            self.live -= _rounded(size)

    def _refuse_a_mixture(self, name: str, args: Any, tensors: list[torch.Tensor]) -> None:
        if name in ("_to_copy", "copy_"):
            if any(not isinstance(one, Pretended) for one in tensors[-1:]):
                self.uploads[place()] += 1
            return
        for one in tensors:
            if one.device == META and not isinstance(one, Pretended):
                raise RuntimeError(f"{name} at {place()}: a tensor without numbers came from inside torch")
            index = name in INDEXES and not one.is_floating_point()
            if one.ndim and not isinstance(one, Pretended) and not index:
                raise MixedDevicesError(
                    f"{name} at {place()}: expected all tensors on {self.where}, found {tuple(one.shape)} of the CPU"
                )

    def _note_wait(self, name: str, args: Any, target: Any) -> None:
        waits = name in WAITS or (name == "_to_copy" and target is not None and target != META)
        waits |= name == "copy_" and isinstance(args[1], Pretended) and not isinstance(args[0], Pretended)
        if name in INDEXES:
            waits |= any(one is not None and one.dtype == torch.bool for one in args[1])
        waits |= name == "repeat_interleave" and len(args) == 1
        if waits:
            self.syncs[f"{name} at {place()}"] += 1

    def _take(self, size: int) -> None:
        where = place()
        self.allocations[where] += 1
        if where in self.fails:
            self.fails.discard(where)
            raise torch.OutOfMemoryError(
                f"{self.where.type} out of memory. Tried to allocate {size} bytes at {where}."
            )
        if self.live + _rounded(size) > self.limit:
            raise torch.OutOfMemoryError(f"{self.where.type} out of memory. Tried to allocate {size} bytes.")
        self.live += _rounded(size)
        if self.live > self.peak:
            self.peak, self.peak_at = self.live, where

    def _put_on(self, leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or isinstance(leaf, Pretended):
            return leaf
        if self.where.type == "mps" and leaf.dtype in (torch.float64, torch.complex128):
            raise NoDoubleError(f"mps has no double precision, as is asked for at {place()}")
        leaf = leaf.resolve_conj().resolve_neg()
        storage = leaf.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self._seen and size:
            self._take(size)
            self._seen.add(key)
            weakref.finalize(storage, self._let_go, key, size)
        return Pretended(leaf, self.where)

    def _let_go(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.live -= _rounded(size)


class _Names(TorchFunctionMode):
    """Has the program speak of its device, and torch of ``meta``."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        # the first are asked by the name that the program uses; a copy names no device, and its memo holds all that was copied
        if func is torch.device or "autocast" in name or name == "__deepcopy__":
            return func(*args, **(kwargs or {}))
        kwargs = {key: self._meta(value) for key, value in (kwargs or {}).items()}
        if args and isinstance(args[0], Pretended):
            if name in ASKS:
                self._device.syncs[f"{name} at {place()}"] += 1
                return getattr(args[0].held, name)(*args[1:], **kwargs)
            if func == torch.Tensor.data.__get__:
                return args[0].detach()
            if name in ("__getitem__", "__setitem__"):
                args = (args[0], _index(args[1]), *args[2:])
        if func in MAKES and "device" in kwargs:
            device = kwargs.pop("device")
            made = func(*args, **kwargs)
            return made if device is None else made.to(device)
        return func(*_each(self._meta, args), **kwargs)

    def _meta(self, given: Any) -> Any:
        if isinstance(given, _NAMES) and str(given).partition(":")[0] == self._device.where.type:
            index = str(given).partition(":")[2] or str(self._device.current)
            if index != str(self._device.where.index):
                raise MixedDevicesError(f"{given} was asked for, and all else is on {self._device.where}")
            return META
        return given


class _Generator(torch.Generator):
    """Draws on the CPU what it says it draws on the device."""

    def __new__(cls, device: torch.device | str = "cpu") -> _Generator:
        made = super().__new__(cls, "cpu")
        made.__dict__["where"] = torch.device(device)
        return made

    def __init__(self, device: torch.device | str = "cpu") -> None:
        pass

    device = property(lambda self: self.__dict__["where"])  # type: ignore[assignment]


@contextmanager
def pretended(kind: str, limit: int = ROOM, index: int = 0) -> Iterator[Device]:
    """Let the program believe that this computer has a device of this kind, ``cuda`` or ``mps``.

    With an `index` there are cards before it, which must not be asked for anything: none but this one can hold a tensor.
    """
    device = Device(kind, limit, index)
    cuda, mps = kind == "cuda", kind == "mps"
    free = lambda *_: (device.limit - device.live, device.limit)  # noqa: E731
    replaced = [
        (torch.cuda, "is_available", lambda: cuda),
        (torch.cuda, "device_count", lambda: int(cuda) * (1 + index)),
        (torch.cuda, "device", lambda _: nullcontext()),
        (torch.cuda, "current_device", lambda: device.current),
        (torch.cuda, "set_device", device.make_current),
        (torch.cuda, "get_device_name", lambda *_: "Pretended"),
        (torch.cuda, "get_device_capability", lambda *_: (0, 0)),
        (torch.cuda, "mem_get_info", free),
        (torch.cuda, "memory_reserved", lambda *_: device.live),
        (torch.cuda, "memory_allocated", lambda *_: device.live),
        (torch.cuda, "is_bf16_supported", lambda *_, **__: False),
        (torch.cuda, "empty_cache", lambda: None),
        (torch.cuda, "synchronize", lambda *_: None),
        (torch.backends.mps, "is_available", lambda: mps),
        (torch.mps, "recommended_max_memory", lambda: device.limit),
        (torch.mps, "driver_allocated_memory", lambda: device.live),
        (torch.mps, "current_allocated_memory", lambda: device.live),
        (torch.mps, "empty_cache", lambda: None),
        (torch, "Generator", _Generator),
    ]
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with ExitStack() as stack:
            for owner, name, value in replaced:
                stack.enter_context(mock.patch.object(owner, name, value))
            stack.enter_context(device)
            stack.enter_context(_Names(device))
            yield device
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)


def _each(change: Callable[[Any], Any], given: Any) -> Any:
    """Return what operations are given or return, each leaf changed, as `tree_map` does, but quickly."""
    kind = type(given)
    if kind is tuple or kind is list:
        return kind([_each(change, one) for one in given])
    if kind is dict:
        return {key: _each(change, one) for key, one in given.items()}
    return change(given)


def place() -> str:
    """Return the line of the package that is at work, ``folder/file.py:line``."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if f"/{PACKAGE}/" in name:
            return f"{name.rpartition(f'/{PACKAGE}/')[2]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "outside"


def _is_composite(func: Any) -> bool:
    """Say whether an operation is made of others, in C++: some have a second form in Python, which asks for devices itself."""
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    return key not in func.py_kernels and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), key)


def _convolved(
    x: torch.Tensor, weight: torch.Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, *rest: Any
) -> Any:
    """Return a convolution by oneDNN, which torch would not ask for little work, and is ten times as fast."""
    if x.dtype == torch.float32 and rest == (False, [0] * len(stride), 1):
        return torch.mkldnn_convolution(x, weight, bias, padding, stride, dilation, 1)
    return torch.ops.aten.convolution(x, weight, bias, stride, padding, dilation, *rest)


def _index(given: Any) -> Any:
    """Return an index whose lists of numbers are tensors: torch would make empty ones of ``meta`` of them."""
    if isinstance(given, tuple):
        return tuple(map(_index, given))
    return torch.tensor(given, dtype=None if given else torch.long) if isinstance(given, list) else given


def _workspace(name: str, args: Any, dtype: Any) -> int:
    """Return the bytes that cuFFT works in, as many as it transforms, or those of a copy in double precision that is added up."""
    if name.startswith("_fft"):
        return args[0].numel() * args[0].element_size() * (1 if args[0].is_complex() else 2)
    if name in ("sum", "mean") and dtype not in (None, args[0].dtype):
        return args[0].numel() * dtype.itemsize
    return 0


def _rounded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
