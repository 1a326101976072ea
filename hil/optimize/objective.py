"""What is maximised: the rate of an OFDM link over a surface, seen through its few taps.

The rate depends on the N reflection coefficients only through the T taps h = direct + cascade^T reflection, and at a
maximum reflection_n = phase(sum_t code_t conj(cascade_nt)) with code = dR/dh*. So a *code* of T complex numbers stands
for a whole configuration: `Objective.align`. Everything in `Objective` runs on numpy and on torch arrays alike.

Axes inside the optimizers: `batch` users, `start` alternatives for each user, then what each of them is made of.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hil.arrays import Bool, Complex, Float, UInt8
from hil.phy.band import band_powers
from hil.phy.metrics import rate_mbps
from hil.phy.taps import delay_response

SAMPLES_A_TAP = 6  # subcarriers that tell enough of the rate, for each tap
ROUNDING = 1e-12  # of what states reflect, below which a term is none
TINY = 1e-30  # keeps the phase of an element without any channel finite, in single precision too


@dataclass(frozen=True, eq=False)
class Problem:
    """A channel, possibly of several users at once, and what the surface can do.

    direct, cascade, basis: h[k] = sum_t basis[k, t] (direct[t] + sum_n reflection[n] cascade[n, t]), amplitudes.
    basis: any matrix; `dft_basis` where "tap" is a sample of delay, a basis of fractional delays for measured channels.
    snr_scale: P / (B N0). num_taps: M of the paper's eq. 4 (cyclic prefix). bandwidth_hz: B.
    rows, cols: shape of the surface; element = row * cols + col.
    states: reflection of each state of an element; None where any phase of unit modulus can be set.
    dispersion: how they vary over the band, coefficients of x, x^2, ... (`hil.phy.band`), states being those of 1; None
    where each is one number.

    Raises ValueError where shapes contradict each other or a number is not finite.
    """

    direct: Complex[np.ndarray, "*batch tap"]
    cascade: Complex[np.ndarray, "*batch element tap"]
    basis: Complex[np.ndarray, "subcarrier tap"]
    snr_scale: float
    num_taps: int
    bandwidth_hz: float
    rows: int
    cols: int
    states: Complex[np.ndarray, "state"] | None = None
    dispersion: Complex[np.ndarray, "power state"] | None = None

    def __post_init__(self) -> None:
        if self.direct.shape != self.cascade.shape[:-2] + self.cascade.shape[-1:]:
            raise ValueError(f"direct {self.direct.shape} does not go with cascade {self.cascade.shape}")
        if self.basis.shape[-1] != self.cascade.shape[-1]:
            raise ValueError(f"basis has {self.basis.shape[-1]} columns, cascade {self.cascade.shape[-1]} taps")
        if self.rows * self.cols != self.num_elements:
            raise ValueError(f"{self.rows} x {self.cols} elements, but cascade holds {self.num_elements}")
        if self.states is not None and (self.states == self.states[:1]).all():
            raise ValueError("a surface needs at least two states that differ at the carrier")
        if self.dispersion is not None and (self.states is None or self.dispersion.shape[1:] != self.states.shape):
            shape = None if self.states is None else self.states.shape
            raise ValueError(f"dispersion {self.dispersion.shape} does not go with states {shape}")
        told = (self.direct, self.cascade, self.basis, self.snr_scale, self.states, self.dispersion)
        if not all(np.isfinite(part).all() for part in told if part is not None):
            raise ValueError("the channel or the states hold numbers that are not finite")

    @property
    def num_elements(self) -> int:
        return int(self.cascade.shape[-2])

    @property
    def num_subcarriers(self) -> int:
        return int(self.basis.shape[0])

    @property
    def mbps_per_nat(self) -> float:
        """B / (K + M - 1) / ln 2, in Mbit/s: rate_mbps = mbps_per_nat * sum_k ln(1 + SNR_k)."""
        return float(self.bandwidth_hz / (self.num_subcarriers + self.num_taps - 1) / np.log(2) / 1e6)

    def response(self, reflection: Complex[np.ndarray, "*batch element"]) -> Complex[np.ndarray, "*batch subcarrier"]:
        """Channel on each subcarrier (paper, eq. 3)."""
        taps = self.direct + (reflection[..., None, :] @ self.cascade)[..., 0, :]
        return np.asarray(taps @ self.basis.T)

    def rate_mbps(self, reflection: Complex[np.ndarray, "*batch element"]) -> Float[np.ndarray, "*batch"]:
        """Rate in Mbit/s (paper, eq. 4), by direct evaluation in double precision."""
        return self._rate_mbps(self.response(reflection))

    def _rate_mbps(self, response: Complex[np.ndarray, "*batch subcarrier"]) -> Float[np.ndarray, "*batch"]:
        return rate_mbps(
            response,
            snr_scale=self.snr_scale,
            num_taps=self.num_taps,
            bandwidth_hz=self.bandwidth_hz,
        )

    def response_to(self, patterns: UInt8[np.ndarray, "*batch element"]) -> Complex[np.ndarray, "*batch subcarrier"]:
        """Channel on each subcarrier under state indices, states as they are over the band."""
        assert self.states is not None, "patterns are of states"
        response = self.response(self.states[patterns])
        if self.dispersion is not None:
            powers = band_powers(self.num_subcarriers, 1 + len(self.dispersion))[1:]
            for factor, curve in zip(powers, self.dispersion, strict=True):
                taps = (curve[patterns][..., None, :] @ self.cascade)[..., 0, :]
                response = response + factor * (taps @ self.basis.T)
        return response

    def rate_of(self, patterns: UInt8[np.ndarray, "*batch element"]) -> Float[np.ndarray, "*batch"]:
        """Rate in Mbit/s of state indices (paper, eq. 4), by direct evaluation, states as they are over the band."""
        return self._rate_mbps(self.response_to(patterns))

    def over_band(self) -> tuple[Complex[np.ndarray, "subcarrier taps"], Complex[np.ndarray, "term state"]]:
        """The basis times each of a few functions of frequency, side by side; each state as coefficients of these.

        The functions are those that the states span: 1, then the principal ones of what varies; each adds a term. The
        channel's taps are then those of all terms, of which the direct channel has the first only. The functions are
        orthonormal over the band, so the mean power that a state reflects is the sum of |coefficient|^2. Where each
        state is one number: the problem's own basis and states.
        """
        assert self.states is not None, "only states vary over the band"
        if self.dispersion is None:
            return self.basis, self.states[None]
        curves = band_powers(self.num_subcarriers, 1 + len(self.dispersion)).T @ np.vstack(
            [self.states, self.dispersion]
        )
        mean = curves.mean(axis=0)
        left, size, right = np.linalg.svd(curves - mean, full_matrices=False)
        needed = size > ROUNDING * np.linalg.norm(curves)
        root = np.sqrt(self.num_subcarriers)
        basis = [self.basis, *(root * each[:, None] * self.basis for each in left.T[needed])]
        return np.concatenate(basis, axis=1), np.vstack([mean, (size[:, None] * right)[needed] / root])

    def with_leading_axis(self) -> "Problem":
        """The same problem as a batch: all leading axes made one."""
        return replace(
            self,
            direct=self.direct.reshape(-1, self.direct.shape[-1]),
            cascade=self.cascade.reshape(-1, *self.cascade.shape[-2:]),
        )


def dft_basis(num_subcarriers: int, num_taps: int) -> Complex[np.ndarray, "subcarrier tap"]:
    """Basis of a channel given by its taps at whole samples of delay."""
    return delay_response(num_subcarriers, np.arange(num_taps, dtype=float))


def power(values: Any) -> Any:
    """|values|^2, without the square root that abs() takes."""
    return values.real**2 + values.imag**2


@dataclass(frozen=True, eq=False)
class Objective:
    """A `Problem` made ready for iteration: snr_scale folded in, a batch axis, any phases of unit modulus.

    direct: complex[batch, 1, tap]; cascade: complex[batch, element, tap]; basis: complex[subcarrier, tap].
    aims: complex[delay, tap], the codes of unit norm that point at the taps of delay 0 .. M-1: such a tap of the
    channel is a^H basis h with a the response of a pure delay, so its code is basis^H a. aims_are_taps: they are the
    unit vectors, as with `dft_basis`.
    xp: numpy or torch, whichever the arrays belong to.
    """

    direct: Any
    cascade: Any
    basis: Any
    aims: Any
    aims_are_taps: bool
    mbps_per_nat: float
    rows: int
    cols: int
    xp: Any = np

    @classmethod
    def of(cls, problem: Problem, dtype: type[np.complexfloating] = np.complex128) -> "Objective":
        """Objective of any phases of unit modulus, in that precision, whatever states the problem has."""
        problem = problem.with_leading_axis()
        amplitude = np.sqrt(problem.snr_scale)
        aims = unit(dft_basis(problem.num_subcarriers, problem.num_taps).T @ problem.basis.conj())
        return cls(
            direct=(amplitude * problem.direct[:, None]).astype(dtype),
            cascade=np.multiply(problem.cascade, amplitude, dtype=dtype, casting="same_kind"),
            basis=problem.basis.astype(dtype),
            aims=aims.astype(dtype),
            aims_are_taps=aims.shape[0] == aims.shape[1] and bool(np.allclose(aims, np.eye(len(aims)))),
            mbps_per_nat=problem.mbps_per_nat,
            rows=problem.rows,
            cols=problem.cols,
        )

    @property
    def num_users(self) -> int:
        return int(self.cascade.shape[0])

    @property
    def num_elements(self) -> int:
        return int(self.cascade.shape[1])

    @property
    def code_size(self) -> int:
        """T: complex numbers that stand for one configuration."""
        return int(self.cascade.shape[2])

    def on(self, device: str) -> "Objective":
        """The same objective as torch tensors, in single precision."""
        import torch

        def tensor(array: Any) -> Any:
            return torch.as_tensor(array, dtype=torch.complex64, device=device)

        arrays = {name: tensor(getattr(self, name)) for name in ("direct", "cascade", "basis", "aims")}
        return replace(self, **arrays, xp=torch)

    def array(self, values: Any) -> Any:
        """Real or complex numbers, of either library, in the library, the precision and on the device of this one."""
        complex_ = np.iscomplexobj(values) if library(values) is np else values.is_complex()
        kind = self.basis if complex_ else self.basis.real
        if self.xp is np:
            return on_host(values).astype(kind.dtype)
        return self.xp.as_tensor(values, dtype=kind.dtype, device=kind.device)

    def for_all_users(self, values: Any) -> Any:
        """The same numbers for every user: [batch, ...]."""
        return self.xp.broadcast_to(values, (self.num_users, *values.shape))

    def users(self, chosen: Bool[np.ndarray, "batch"]) -> "Objective":
        """The same objective for some of the users."""
        return replace(self, direct=self.direct[chosen], cascade=self.cascade[chosen])

    def thinned(self, elements: int, rng: np.random.Generator) -> "Objective":
        """About the same objective from few of its elements: one at random from each square cell, for the whole cell.

        A code stands for any number of elements, so it can be searched on some and used on all. Random places keep
        what a coarser grid would confuse, its grating lobes, apart. Of subcarriers, which the taps oversample, some
        are left out too. The same objective where it has less than four times as many elements as asked for.
        """
        side = int((self.num_elements / elements) ** 0.5)
        if side < 2:
            return self
        rows, cols = (np.arange(0, count, side) for count in (self.rows, self.cols))
        height, width = np.minimum(side, self.rows - rows)[:, None], np.minimum(side, self.cols - cols)
        row = rows[:, None] + (rng.random((len(rows), len(cols))) * height).astype(int)
        col = cols + (rng.random((len(rows), len(cols))) * width).astype(int)
        chosen = (row * self.cols + col).ravel()
        weight = self.array((height * width).astype(float).reshape(-1, 1))
        if self.xp is not np:
            chosen = self.xp.as_tensor(chosen, device=self.cascade.device)
        stride = max(1, len(self.basis) // (SAMPLES_A_TAP * self.code_size))
        return replace(
            self,
            cascade=self.cascade[:, chosen] * weight,
            basis=self.basis[::stride],
            mbps_per_nat=self.mbps_per_nat * len(self.basis) / len(self.basis[::stride]),
            rows=len(rows),
            cols=len(cols),
        )

    def taps(self, reflection: Any) -> Any:
        """complex[batch, start, tap] of reflection[batch, start, element]."""
        return self.direct + reflection @ self.cascade

    def rate(self, taps: Any) -> Any:
        """Mbit/s[batch, start] of taps[batch, start, tap]."""
        return self.mbps_per_nat * self.xp.log(1 + power(taps @ self.basis.T)).sum(-1)

    def rate_and_gradient(self, taps: Any) -> tuple[Any, Any]:
        """Mbit/s[batch, start] and dR/dh*[batch, start, tap]: R(h + dh) = R + 2 Re(gradient^H dh)."""
        response = taps @ self.basis.T
        factor = 1 + power(response)
        rate = self.mbps_per_nat * self.xp.log(factor).sum(-1)
        return rate, self.mbps_per_nat * ((response / factor) @ self.basis.conj())

    def drive(self, code: Any) -> tuple[Any, Any]:
        """Reflection[batch, start, element] = u / |u| that aligns all elements with a code[batch, start, tap]; 1 / |u|.

        |u_n|, u = conj(cascade) code, is what element n is worth: an error e of its phase costs about |u_n| e^2.
        """
        drive = (code.conj() @ self.cascade.swapaxes(-1, -2)).conj()
        share = 1 / (self.xp.abs(drive) + TINY)  # complex divisions take several times as long as products
        return drive * share, share

    def align(self, code: Any) -> Any:
        return self.drive(code)[0]

    def code_gradient(self, code: Any) -> tuple[Any, Any]:
        """Rate[batch, start] and dR/dcode*[batch, start, tap] of the configuration aligned with a code.

        With theta = u / |u| and p = conj(cascade) dR/dh*: dR/du* = j theta Im(conj(theta) p) / |u|.
        """
        reflection, share = self.drive(code)
        rate, outer = self.rate_and_gradient(self.taps(reflection))
        slope = ((outer.conj() @ self.cascade.swapaxes(-1, -2)) * reflection).imag * share
        return rate, ((reflection * slope) @ self.cascade) * -1j

    def asked(self, reflection: Any) -> Any:
        """Code of unit norm that a configuration[batch, start, element] asks for: dR/dh* there."""
        return unit(self.rate_and_gradient(self.taps(reflection))[1])


def unit(vectors: Any) -> Any:
    """Vectors along the last axis, real or complex, made of unit norm: of a code only the direction matters."""
    return vectors / ((vectors.conj() * vectors).real.sum(-1)[..., None] + TINY) ** 0.5


def choose(values: Any, order: Any) -> Any:
    """values[batch, start, ...] at the starts order[batch, chosen] of each user."""
    return values[library(order).arange(len(order), device=order.device)[:, None], order]


def library(array: Any) -> Any:
    """numpy or torch, whichever the array is of."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def on_host(array: Any) -> np.ndarray:
    """A numpy array of what may be a tensor."""
    return array if isinstance(array, np.ndarray) else array.detach().cpu().numpy()


def as_reals(code: Any, xp: Any) -> Any:
    """Complex[..., tap] as real[..., 2 tap]: all real parts, then all imaginary ones."""
    return xp.concatenate([code.real, code.imag], -1)


def as_complex(reals: Any) -> Any:
    """Inverse of `as_reals`."""
    half = reals.shape[-1] // 2
    return reals[..., :half] + 1j * reals[..., half:]
