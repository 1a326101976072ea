"""A Pluto's receive buffer over one connection: as many kernel blocks as a capture needs, each filled after it began.

Methods reach the device through the library, which may hang: they are called on the thread of a `BoundedCaller`.
"""

import math

import numpy as np

from hil.arrays import Complex
from hil.drivers.pluto_device import PlutoDevice, has_two_channels
from hil.interfaces import PIECE_SAMPLES, FrameTrain

KERNEL_BUFFERS = 1  # for each block of a capture
DEFAULT_KERNEL_BUFFERS = 4
SAMPLE_BYTES = 4  # of one receiver
MAX_BLOCK_BYTES = 16 << 20  # the kernel's `industrialio_buffer_dma.max_block_size`; the DMA counts no further either
MOST_BLOCKS = 64  # that the kernel queues ("ought to be enough for anybody", industrialio-buffer-dma.c)
MAX_BLOCKS = 8  # of that size: half of the 256 MiB that a Pluto's kernel keeps for its DMAs (CMA)


def max_block_samples(num_receivers: int) -> int:
    """Of each receiver in one block."""
    return MAX_BLOCK_BYTES // (SAMPLE_BYTES * num_receivers)


class Receiver:
    """Its buffer and the kernel blocks of that; of two receivers the first alone listens at the beginning."""

    def __init__(self) -> None:
        self.num_listening = 1
        self.num_samples, self.num_blocks = 0, 1  # of a capture; no samples: there is no buffer
        self.block_samples = 0
        self.stuck = False  # it could not be destroyed
        self._taken = False

    def take(self, device: PlutoDevice) -> None:
        """Let the kernel keep no more blocks than a capture has: others would be filled before they are asked for.

        Raises OSError EBUSY where another program is capturing.
        """
        if not self._taken and has_two_channels(device):
            device.rx_enabled_channels = device.tx_enabled_channels = [0]
        device._rxadc.set_kernel_buffers_count(KERNEL_BUFFERS * self.num_blocks)
        self._taken = True

    def resize(self, device: PlutoDevice, num_samples: int, piece_samples: int | None = None) -> None:
        """A new buffer for captures of that size, opened by the first `read`; its blocks have about `piece_samples`."""
        num_bytes = num_samples * SAMPLE_BYTES * self.num_listening
        piece_bytes = (piece_samples or num_samples) * SAMPLE_BYTES * self.num_listening
        wanted = min(piece_bytes, MAX_BLOCK_BYTES)
        num_blocks = min(math.ceil(num_bytes / wanted), MOST_BLOCKS)
        self._resize(device, num_samples, num_blocks, math.ceil(num_samples / num_blocks))

    def begin(self, device: PlutoDevice, num_samples: int, piece_samples: int | None = None) -> None:
        """As `resize`, and opened at once: its blocks are filled from now on."""
        self.resize(device, num_samples, piece_samples)
        device._rx_init_channels()  # as the first `rx` would

    def begin_train(self, device: PlutoDevice, train: FrameTrain) -> int:
        """Blocks for a train of frames, each of which waits for the start of a frame; samples from one to the next.

        What is spare at the end of a block's last frame is lost, so that the next block is ready for the frame behind
        it. Where nothing is, or two receivers listen, there is one block.
        """
        frames = self._frames_of_a_block(train) if train.spare_samples and self.num_listening == 1 else 0
        pitch = frames * train.frame_samples or train.num_samples
        num_blocks = math.ceil((train.num_samples + (train.spare_samples if frames else 0)) / pitch)
        self._resize(device, train.num_samples, num_blocks, pitch - (train.spare_samples if frames else 0))
        device._rx_init_channels()
        return pitch

    def _frames_of_a_block(self, train: FrameTrain) -> int:
        """As few as make small blocks, all of which find a frame to begin with."""
        needed = math.ceil((train.num_samples + train.spare_samples) / train.frame_samples)
        wanted = max(PIECE_SAMPLES // train.frame_samples, 1)
        most = min(math.ceil(needed / wanted), MOST_BLOCKS)
        sizes = (math.ceil(needed / num_blocks) for num_blocks in range(most, 0, -1))
        return next(size for size in sizes if (math.ceil(needed / size) - 1) * size < train.num_frames)

    def _resize(self, device: PlutoDevice, num_samples: int, num_blocks: int, block_samples: int) -> None:
        self.destroy(device)  # a new size is ignored while the buffer lives
        self.num_samples, self.num_blocks, self.block_samples = num_samples, num_blocks, block_samples
        self.take(device)
        device.rx_buffer_size = block_samples

    def read(self, device: PlutoDevice) -> Complex[np.ndarray, "receiver sample"]:
        """The next block, in ADC units, which single precision holds exactly."""
        return np.atleast_2d(np.asarray(device.rx(), dtype=np.complex64))

    def listen_with(self, device: PlutoDevice, num_receivers: int) -> None:
        """From the next capture on."""
        self.destroy(device)  # channels belong to a buffer
        device.rx_enabled_channels = list(range(num_receivers))
        self.num_listening = num_receivers

    def destroy(self, device: PlutoDevice) -> None:
        """Without effect where there is none."""
        self.num_samples, self.num_blocks = 0, 1
        self.stuck = True
        device.rx_destroy_buffer()
        self.stuck = False

    def give_back(self, device: PlutoDevice) -> None:
        """The device keeps the number of kernel blocks: other programs expect the usual one."""
        if self._taken:
            device._rxadc.set_kernel_buffers_count(DEFAULT_KERNEL_BUFFERS)
