"""What a computation on tensors asks of a device: bytes moved, operations, launches, and whether it waits for the host.

Counted on any device, the CPU included, from the operations that torch dispatches; views move nothing, every other
operation reads its arguments from memory and writes its result, as it does where nothing is fused.
"""

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

    asked: calls that wait for the device, send to it, or make a shape depend on what it computed, in order.
    shapes: of the results, in order.
    """

    bytes: int
    operations: int
    launches: int
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

    class Calls(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(func, "__name__", str(func))
            if name in HOST_CALLS:
                asked.append(name)
            return func(*args, **(kwargs or {}))

    class Operations(dispatch_mode):  # type: ignore[misc]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            name = str(func.overloadpacket)
            masked = "index" in name and any(
                each.dtype == torch.bool for each in tree_leaves(args[1:2]) if isinstance(each, torch.Tensor)
            )
            if masked or any(part in name for part in HOST_OPERATIONS):
                asked.append(name)
            if not func.is_view:
                tensors = [each for each in tree_leaves((args, kwargs, result)) if isinstance(each, torch.Tensor)]
                moved[0] += sum(_stored_bytes(each) for each in tensors)
                shapes.append(tuple(tensors[-1].shape) if tensors else ())
            if name in PRODUCTS:
                operations[0] += REAL_OPERATIONS[args[0].is_complex()] * args[0].numel() * args[1].shape[-1]
            return result

    with Calls(), Operations():
        work()
    return Cost(moved[0], operations[0], len(shapes), tuple(asked), tuple(shapes))


def _stored_bytes(tensor: Any) -> int:
    """Of its elements, or of what it is broadcast from."""
    return int(min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()))
