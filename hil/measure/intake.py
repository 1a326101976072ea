"""Where the responses of a capture are put while it still arrives."""

import numpy as np

from hil.arrays import Complex


class Intake:
    """Room for those of one capture after the other. Who works on them while they arrive overrides both methods."""

    def room(self, num_patterns: int, num_subcarriers: int) -> Complex[np.ndarray, "pattern subcarrier"]:
        """Where those of a new capture shall stand; what came of an earlier one is void."""
        return np.empty((num_patterns, num_subcarriers), dtype=np.complex64)

    def there(self, count: int) -> None:
        """The first `count` are what they will be: nobody changes them any more. Does not raise."""
