"""Propagation: pure functions of explicit paths. Truth only; no instrument and no estimator reads this room."""

from hil.channel.paths import Paths, Scene, direct_response, hop_response, surface_response, taps
from hil.channel.scene import build_scene
from hil.channel.walk import Walk

__all__ = [
    "Paths",
    "Scene",
    "Walk",
    "build_scene",
    "direct_response",
    "hop_response",
    "surface_response",
    "taps",
]
