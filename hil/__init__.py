"""Hardware-in-the-loop testbed controller for intelligent reflecting surfaces."""

__version__ = "0.1.0"
