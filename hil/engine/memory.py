"""Memory that a long calculation frees and takes again by the megabyte, and what that costs."""

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # <malloc.h>
_KEEP_BYTES = 1 << 30
_MAP_BYTES = 32 << 20  # larger blocks are mapped anew each time


@cache
def keep_freed_memory() -> bool:
    """Let this process keep what it frees, up to 1 GiB; whether its allocator could be told (glibc can).

    Else each temporary array is new pages, each zeroed by the kernel at its first touch. Dask's nannies make that the
    rule (MALLOC_TRIM_THRESHOLD_ of 64 KiB), and optimizers of 32 x 32 elements then spend 45 % of their time there.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(mallopt(*each) == 1 for each in ((_TRIM_THRESHOLD, _KEEP_BYTES), (_MMAP_THRESHOLD, _MAP_BYTES)))
