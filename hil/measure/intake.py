"""Where the responses of a capture are put while it still arrives."""

import numpy as np

from hil.arrays import Complex


class Intake:
    """Room for them. Who wants to do something with those that are there by then overrides both."""

    def room(self, num_patterns: int, num_subcarriers: int) -> Complex[np.ndarray, "pattern subcarrier"]:
        """Where those of a new capture shall stand; what came of an earlier one is void."""
        return np.empty((num_patterns, num_subcarriers), dtype=np.complex64)

    def there(self, count: int) -> None:
        """The first `count` are what they will be: nobody changes them any more. Does not raise."""
