"""The seams: what the story of an experiment needs from a radio, a surface and a clock, and the types they exchange.

Everything above the drivers is written against this room. Nothing here does I/O.
"""

from hil.interfaces.common import ByteLink, Clock, Closing, Progress, SweepMode, SystemClock, no_progress
from hil.interfaces.radio import (
    PIECE_SAMPLES,
    START_SAMPLES,
    Capture,
    FrameTrain,
    Hear,
    LinkBudget,
    RadioSettings,
    RawSdr,
    RawSink,
    ReferencedSdr,
    Sdr,
    StreamingSdr,
    Thermometer,
    TrackingSdr,
    TriggeringSdr,
)
from hil.interfaces.surface import (
    Geometry,
    SequenceAbility,
    SequencedSurface,
    SettlingSurface,
    StateSet,
    StreamingSurface,
    SuppliedSurface,
    Surface,
    SurfaceTiming,
)
from hil.interfaces.truth import TrueChannel, Truth

__all__ = [
    "PIECE_SAMPLES",
    "START_SAMPLES",
    "ByteLink",
    "Capture",
    "Clock",
    "Closing",
    "FrameTrain",
    "Geometry",
    "Hear",
    "LinkBudget",
    "Progress",
    "RadioSettings",
    "RawSdr",
    "RawSink",
    "ReferencedSdr",
    "Sdr",
    "SequenceAbility",
    "SequencedSurface",
    "SettlingSurface",
    "StateSet",
    "StreamingSdr",
    "StreamingSurface",
    "SuppliedSurface",
    "Surface",
    "SurfaceTiming",
    "SweepMode",
    "SystemClock",
    "Thermometer",
    "TrackingSdr",
    "TriggeringSdr",
    "TrueChannel",
    "Truth",
    "no_progress",
]
