"""Array types whose axes are named in the signature; names are checked when the tests run, never in production.

Write `Complex[np.ndarray, "*batch subcarrier"]`. A pattern is always state indices, never phases.
"""

import numpy as np
from jaxtyping import Bool, Complex, Float, Int, UInt8

__all__ = ["Bool", "Complex", "Float", "Int", "Pattern", "Patterns", "UInt8"]

Pattern = UInt8[np.ndarray, "element"]
Patterns = UInt8[np.ndarray, "pattern element"]
