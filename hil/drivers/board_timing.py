"""How long a board takes for one pattern of a sweep."""

from dataclasses import replace

from hil.firmware.wire import Wire
from hil.interfaces import SurfaceTiming, SweepMode

__all__ = ["board_timing"]


def board_timing(wire: Wire, mode: SweepMode, *, latency_s: float) -> SurfaceTiming:
    """Timing of one pattern in a sweep mode, of link time what the longest frame takes.

    latency_s: longest time from the end of a reply on the wire until the host has it.
    """
    profile = wire.profile
    last = "set_pattern" if profile.capabilities.slots == 0 or mode == "stepped" else "select_slot"
    frame, overlap = wire.frame_bytes(last), 0
    if mode == "pipelined" and last == "select_slot":
        overlap = wire.frame_bytes("load_slot")
        frame += overlap
    elif mode == "pipelined":
        overlap = frame - wire.held_back
    timing = profile.surface_timing(
        frame_bytes=frame, overlap_bytes=overlap, reply_bytes=wire.reply_bytes(last), latency_s=latency_s
    )
    several = profile.capabilities.max_outstanding > 1
    byte_s = profile.seconds_per_byte
    return replace(
        timing,
        ahead_replied=mode == "pipelined" and last == "select_slot" and several,
        stream_s=wire.frame_bytes("set_pattern") * byte_s if several else None,
    )
