"""What a computation on tensors asks of a device: bytes moved, operations, launches, and whether it waits for the host.

Counted on any device, the CPU included, from the operations that torch dispatches; views move nothing, every other
operation reads its arguments from memory and writes its result, as it does where nothing is fused.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HOST_CALLS = frozenset(
    ["item", "tolist", "numpy", "cpu", "cuda", "to", "__array__", "__bool__", "__float__", "__int__", "__index__"]
) | {"as_tensor", "tensor", "from_numpy", "nonzero", "masked_select", "unique", "equal", "allclose"}
HOST_OPERATIONS = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "masked_select", "_unique")
REAL_OPERATIONS = {False: 2, True: 8}  # of a real and of a complex multiplication with addition
PRODUCTS = ("aten.mm", "aten.bmm")


@dataclass(frozen=True)
class Cost:
    """bytes: read and written. operations: real ones, of products. launches: operations that are not views.

    peak_bytes: of the tensors that were alive at once, at most, from when they were first seen.
    asked: calls that wait for the device, send to it, or make a shape depend on what it computed, in order.
    shapes: of the results, in order.
    """

    bytes: int
    operations: int
    launches: int
    peak_bytes: int
    asked: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]


def counted(work: Callable[[], object]) -> Cost:
    """Do it, and count."""
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils import _python_dispatch
    from torch.utils._pytree import tree_leaves

    dispatch_mode: Any = _python_dispatch.TorchDispatchMode  # untyped
    moved, operations, shapes, asked = [0], [0], [], []
    alive = _Alive()

    class Calls(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(func, "__name__", str(func))
            result = func(*args, **(kwargs or {}))
            there = name == "as_tensor" and result is args[0]  # as it was, where it was
            if name in HOST_CALLS and not there:
                asked.append(name)
            return result

    class Operations(dispatch_mode):  # type: ignore[misc]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            name = str(func.overloadpacket)
            masked = "index" in name and any(
                each.dtype == torch.bool for each in tree_leaves(args[1:2]) if isinstance(each, torch.Tensor)
            )
            if masked or any(part in name for part in HOST_OPERATIONS):
                asked.append(name)
            tensors = [each for each in tree_leaves((args, kwargs, result)) if isinstance(each, torch.Tensor)]
            alive.see(tensors)
            if not func.is_view:
                moved[0] += sum(_stored_bytes(each) for each in tensors)
                shapes.append(tuple(tensors[-1].shape) if tensors else ())
            if name in PRODUCTS:
                operations[0] += REAL_OPERATIONS[args[0].is_complex()] * args[0].numel() * args[1].shape[-1]
            return result

    with Calls(), Operations():
        work()
    return Cost(moved[0], operations[0], len(shapes), alive.peak_bytes, tuple(asked), tuple(shapes))


class _Alive:
    """Memory of the tensors that were seen and still are."""

    def __init__(self) -> None:
        self.peak_bytes = self._bytes = 0
        self._seen: dict[int, Any] = {}

    def see(self, tensors: list[Any]) -> None:
        for storage in (each.untyped_storage() for each in tensors):
            key = storage._cdata
            if key not in self._seen:
                self._seen[key] = weakref.finalize(storage, self._gone, key, storage.nbytes())
                self._bytes += storage.nbytes()
        self.peak_bytes = max(self.peak_bytes, self._bytes)

    def _gone(self, key: int, size: int) -> None:
        del self._seen[key]
        self._bytes -= size


def _stored_bytes(tensor: Any) -> int:
    """Of its elements, or of what it is broadcast from."""
    return int(min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()))
