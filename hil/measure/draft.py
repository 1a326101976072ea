"""The file of a step, which may be written and hashed while the step's array is still filled."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np


class Draft:
    """A `.npy` file, of no account before `finish`.

    data: the array. What `grow` was told of stays as it is from then on.
    """

    def __init__(self, path: Path, data: np.ndarray) -> None:
        """Raises ValueError where the array would need pickle."""
        self.data, self.path = data, path
        self._header, self._body = _npy(data)
        self._digest, self._num_written = hashlib.sha256(), 0

    def grow(self, num_bytes: int) -> None:
        """The first so many bytes of the array are there. Where they cannot be written `finish` writes all of them."""
        try:
            self._write(num_bytes)
        except OSError:
            self._num_written = 0

    def finish(self) -> str:
        """The whole file is on the disk; its SHA-256. Raises OSError."""
        self._write(len(self._body), durably=True)
        return self._digest.hexdigest()

    def _write(self, num_bytes: int, *, durably: bool = False) -> None:
        begun = self._num_written > 0
        more = self._body[self._num_written : num_bytes]
        with self.path.open("ab" if begun else "wb") as file:
            if not begun:
                self._digest = hashlib.sha256(self._header)
                file.write(self._header)
            file.write(more)
            file.flush()
            if durably:
                os.fsync(file.fileno())
            elif hasattr(os, "posix_fadvise"):  # the disk may begin: the end waits for the last pieces only
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self._digest.update(more)
        self._num_written = num_bytes


def _npy(data: np.ndarray) -> tuple[bytes, memoryview]:
    """A `.npy` file in two parts, the second the array's own memory. Raises ValueError where it would need pickle."""
    data, header = np.asarray(data, order="C"), io.BytesIO()
    if data.dtype.hasobject:
        raise ValueError(f"an array of {data.dtype} cannot be stored")
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(data))
    return header.getvalue(), data.reshape(-1).view(np.uint8).data
