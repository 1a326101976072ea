"""Hardware-in-the-loop testbed controller for intelligent reflecting surfaces.

In a notebook each stage is one function; `hil.experiments.closed_loop` tells the whole story:

>>> import hil
>>> with hil.open_testbed("configs/testbeds/sim-opensource-ris.yaml") as testbed:
...     recording = hil.new_recording(testbed, root="runs")
...     sweep = hil.sound_surface(testbed, recording)
...     estimate = hil.estimate_channel(sweep, testbed.setup)
...     choice = hil.choose_patterns(estimate, sweep, testbed.setup)
...     examination = hil.examine(testbed, recording, choice)
>>> verification, prediction = hil.load_verification(recording, choice, estimate)
>>> print(verification.outcome)
PASS
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hil.estimation.estimate import estimate_channel as estimate_channel
    from hil.experiments.choose import choose_patterns as choose_patterns
    from hil.experiments.closed_loop import new_recording as new_recording
    from hil.experiments.sound import sound_surface as sound_surface
    from hil.experiments.verify import examine as examine
    from hil.experiments.verify import load_verification as load_verification
    from hil.testbed import open_testbed as open_testbed

__version__ = "0.1.0"

# Imported when first asked for: `import hil` alone stays free of numpy, torch and the instruments' libraries.
_FACES = {
    "choose_patterns": "hil.experiments.choose",
    "estimate_channel": "hil.estimation.estimate",
    "examine": "hil.experiments.verify",
    "load_verification": "hil.experiments.verify",
    "new_recording": "hil.experiments.closed_loop",
    "open_testbed": "hil.testbed",
    "sound_surface": "hil.experiments.sound",
}


def __getattr__(name: str) -> Any:
    if name not in _FACES:
        raise AttributeError(f"module 'hil' has no attribute {name!r}")
    return getattr(import_module(_FACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_FACES])
