"""Stations and procedures that come with the package: what benches and reproductions are about where nobody says."""

from pathlib import Path

CONFIGS = Path(__file__).parent / "configs"  # leads to configs/; an installed package holds them there
STATION = CONFIGS / "testbeds/sim-opensource-ris.yaml"
