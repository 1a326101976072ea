"""The composition root: instruments connected, configured and gated. The only importer of drivers and simulation."""

from hil.testbed.diagnose import Check, diagnose
from hil.testbed.open import find_user, open_surface, open_testbed
from hil.testbed.place import at_place
from hil.testbed.plan import RadiationPlan, radiation_plan
from hil.testbed.recorded import Block, recorded_radio
from hil.testbed.serve import Served, serve
from hil.testbed.testbed import Testbed

__all__ = [
    "Block",
    "Check",
    "RadiationPlan",
    "Served",
    "Testbed",
    "at_place",
    "diagnose",
    "find_user",
    "open_surface",
    "open_testbed",
    "radiation_plan",
    "recorded_radio",
    "serve",
]
