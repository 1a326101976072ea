"""Which patterns to sound next: those after which the expected loss of rate is least.

What an error of the channel costs: element n, aligned with a code g, has the phase of u_n = (conj(V) g)_n; an error of
it by e costs about |u_n| e^2 of the rate, so an error dC of the coefficients in an orthonormal basis of the array costs
about |dC g|^2 / |u|, whatever direction it has. With a covariance that all taps share, the expected loss is
proportional to that covariance's trace, and the best next pattern is the one that lowers the trace most (A-optimal
design, Pukelsheim 1993): by |P a^H|^2 / (a P a^H + noise), a its row. With two states
for each element that row is approached by the signs of the most uncertain wave, at a few global phases, of which the
best is taken.
"""

import numpy as np

from hil.arrays import Complex, Int

PHASES = np.exp(1j * np.pi / 4 * np.arange(4))
TURNS = 3  # of the power iteration


def choose_probes(
    basis: Complex[np.ndarray, "element mode"],
    covariance: Complex[np.ndarray, "state state"],
    noise_var: float,
    count: int,
) -> tuple[Int[np.ndarray, "pattern element"], Complex[np.ndarray, "state state"]]:
    """Signs of `count` patterns, best first, and the covariance that is left after sounding them.

    basis: waves over the array. covariance: of the state's coefficients, relative to one tap: those of the direct
    channel, which every pattern excites alike, and then one for each wave. noise_var: of a sounding's tap.
    """
    direct = len(covariance) - basis.shape[1]
    covariance = covariance.copy()
    signs = np.empty((count, len(basis)), dtype=np.int8)
    for index in range(count):
        signs[index], covariance = _next(basis, covariance, noise_var, direct)
    return signs, covariance


def _next(
    basis: Complex[np.ndarray, "element mode"],
    covariance: Complex[np.ndarray, "state state"],
    noise_var: float,
    direct: int,
) -> tuple[Int[np.ndarray, "element"], Complex[np.ndarray, "state state"]]:
    wanted = basis @ _most_uncertain(covariance[direct:, direct:]).astype(np.complex64)
    tried = np.where((wanted.conj() * PHASES[:, None].astype(np.complex64)).real >= 0, 1, -1).astype(np.int8)
    waves = (tried.astype(np.float32) @ basis.view(np.float32)).view(np.complex64)
    rows = np.concatenate([np.ones((len(tried), direct)), waves], axis=1)
    gains = covariance @ rows.conj().T
    told = np.einsum("ps,sp->p", rows, gains).real + noise_var
    best = int(np.argmax(np.sum(np.abs(gains) ** 2, axis=0) / told))
    gain = gains[:, best]
    return tried[best], covariance - np.outer(gain, gain.conj()) / told[best]


def _most_uncertain(covariance: Complex[np.ndarray, "mode mode"]) -> Complex[np.ndarray, "mode"]:
    """The leading eigenvector, nearly."""
    vector = covariance[:, int(np.argmax(covariance.diagonal().real))]
    for _ in range(TURNS):
        vector = covariance @ (vector / np.linalg.norm(vector))
    return np.asarray(vector / np.linalg.norm(vector))
