"""Propagation: pure functions of explicit paths. Truth only; no instrument and no estimator reads this room."""

from hil.channel.paths import Paths, Scene, direct_response, surface_response, taps
from hil.channel.scene import build_scene

__all__ = ["Paths", "Scene", "build_scene", "direct_response", "surface_response", "taps"]
