"""Two time scales: directions are learnt once from a full sweep, their coefficients followed from few soundings.

What does not move, base station and surface, and what moves slowly, the directions in which the surface sees the user
and the bodies around him, decide which plane waves over the array carry the channel. What moves quickly are the phases
of these waves. So a round sounds the patterns that lower the expected loss of rate most, a Kalman filter takes them in,
and the pattern is made for what each wave, by its own Doppler spectrum, will be when it serves. Waves beside those that
carry energy are watched too, and take the places of those that lost theirs; where the waves do not explain what is
heard, in two rounds in a row or, where that is asked for, in several taken together, a full sweep begins anew.
"""

import numpy as np

from hil.arrays import Complex, Float, Int, Pattern
from hil.config.track import PolicyConfig
from hil.estimation.consistency import Consistency
from hil.estimation.doppler import DopplerSpectra
from hil.estimation.kalman import ModeFilter
from hil.estimation.least_squares import CascadedEstimate
from hil.estimation.reception import Reception
from hil.estimation.subspace import AngularSubspace, expected_power
from hil.experiments.policies.policy import Ask, Heard, reception, reflections
from hil.experiments.policies.sweeping import sweep_again
from hil.measure.probes import choose_probes
from hil.measure.setup import Setup
from hil.measure.sweep import SweepPlan
from hil.units import wavelength_m

OSCILLATORS = 9  # of the direct channel, over its Doppler band
FEWEST = 8  # patterns of a round
STEPPED_AT_ONCE = 32  # soundings, each with a capture of its own, that one update of the filter takes in
FAINTEST = 1e-4  # of the strongest wave's power: no wave is expected to have less
OUTLOOK = 0.5  # of their power that waves may have changed by the next round, for whom patterns are chosen anew
PATIENCE = 2  # rounds that may be a misfit


class TwoTimescale:
    """Plane waves learnt once, followed by a Kalman filter."""

    watches = True

    def __init__(
        self,
        config: PolicyConfig,
        setup: Setup,
        estimate: CascadedEstimate,
        plan: SweepPlan,
        time_s: float,
        *,
        stored: bool,
    ) -> None:
        """stored: new patterns cost time on the link, so that only `config.fresh` of them are chosen in a round."""
        self.config, self.setup, self.plan = config, setup, plan
        self._one_oscillator = setup.testbed.receiver is None
        self._stored, self._noise_var = stored, float(np.mean(estimate.cascade_var)) * plan.num_patterns
        self._misfits, self._oldest = 0, 0
        self._signs: Int[np.ndarray, "pattern element"] = np.empty((0, setup.num_elements), dtype=np.int8)
        self._learn(estimate, time_s)

    def ask(self, serving: Pattern, effort: float) -> Ask | None:
        odd = self.config.oddity is not None and self.oddity > self.config.oddity
        if self._misfits >= PATIENCE or odd:
            self._misfits, self._filter.consistency = 0, Consistency()
            return Ask(self.plan.patterns(), self.plan.board_rows)
        count = max(min(FEWEST, self.config.patterns), round(effort * self.config.patterns))
        if not self._stored:
            self._signs, _ = choose_probes(self._waves.basis, self._expected(), self._noise_var, count)
        return Ask(self.setup.patterns(self._signs[:count]))

    def hear(self, heard: Heard) -> float:
        """As `Policy.hear`: a full sweep begins anew; anything less is one update of the filter a capture."""
        self._noise_var = heard.noise_var
        if heard.swept:
            first, time_s = self._first, float(heard.block.time_s[-1])
            self._learn(sweep_again(self.setup, first, self.plan, heard), time_s)
            return 0.0
        step = len(heard.patterns) if heard.captures else STEPPED_AT_ONCE
        rows = self._waves.rows_of(reflections(self.setup, heard.patterns))
        parts = (slice(start, start + step) for start in range(0, len(rows), step))
        misfit = max(self._take_in(rows[part], heard, part) for part in parts)
        self._misfits = self._misfits + 1 if misfit > self.config.misfit else 0
        self._spectra.add(self._filter.time_s, self._filter.mean[self._filter.num_direct :])
        self._follow_directions()
        if self._stored:
            self._renew_probes()
        return misfit

    def channel(self, time_s: float) -> CascadedEstimate:
        direct, modes = self._at(time_s)
        variance = self._filter.covariance.diagonal().real
        cascade_var = float(variance[self._filter.num_direct :].sum()) / self.setup.num_elements
        return CascadedEstimate(
            direct,
            self._waves.expand(modes),
            self._first.basis,
            np.full(direct.shape, float(variance[: self._filter.num_direct].sum())),
            np.full((self.setup.num_elements, direct.size), cascade_var),
            states=self.setup.states,
        )

    def foresee(self, pattern: Pattern, time_s: float) -> Complex[np.ndarray, "tap"]:
        direct, modes = self._at(time_s)
        rows = self._waves.rows_of(reflections(self.setup, pattern[None]))
        return np.asarray(direct + rows[0] @ modes)

    def _at(self, time_s: float) -> tuple[Complex[np.ndarray, "tap"], Complex[np.ndarray, "mode tap"]]:
        """Direct channel and waves to expect: the waves by their spectra, once there is past enough."""
        direct, modes = self._filter.at(time_s)
        return direct, self._spectra.at(time_s) if self._spectra.foresees else modes

    @property
    def doppler_hz(self) -> float:
        """Spread of the waves' Doppler shifts, weighted by power."""
        followed = slice(self._filter.num_direct, None)
        shift, power = self._filter.doppler[followed] / (2 * np.pi), self._filter.power[followed]
        mean = np.average(shift, weights=power)
        return float(np.sqrt(np.average((shift - mean) ** 2, weights=power)))

    @property
    def oddity(self) -> float:
        """What was heard lately, beside the most that the waves can be by chance (`Consistency.ratio`)."""
        return self._filter.consistency.ratio

    def _learn(self, estimate: CascadedEstimate, time_s: float) -> None:
        """Begin anew with what a full sweep told."""
        config, setup = self.config, self.setup
        modes = min(config.modes, setup.num_elements)
        waves = AngularSubspace.of(estimate.cascade, estimate.cascade_var, setup.rows, setup.cols, modes)
        self._first: CascadedEstimate = estimate
        self._reception: Reception = reception(setup, estimate)
        self._waves: AngularSubspace = waves
        self._filter: ModeFilter = _begun(estimate, waves, self._band(), time_s)
        self._spectra = DopplerSpectra(config.fastest_m_per_s / wavelength_m(setup.testbed.radio.lo_hz))
        self._misfits, self._oldest = 0, 0
        if self._stored:
            prior = np.diag(self._filter.power).astype(complex)
            self._signs, _ = choose_probes(waves.basis, prior, self._noise_var, config.patterns)

    def _band(self) -> Float[np.ndarray, "oscillator"]:
        """Doppler frequencies of the direct channel's oscillators, in rad/s."""
        widest = 2 * np.pi * self.config.fastest_m_per_s / wavelength_m(self.setup.testbed.radio.lo_hz)
        return np.linspace(-widest, widest, OSCILLATORS)

    def _take_in(self, rows: Complex[np.ndarray, "pattern mode"], heard: Heard, part: slice) -> float:
        time_s = heard.block.time_s[part]
        foreseen = self._filter.predict(rows, time_s)
        long = bool(heard.captures)
        taps = self._reception.taps(
            heard.block.response[part], foreseen, one_capture=long, one_phase=long and self._one_oscillator
        )
        return self._filter.update(rows, time_s, taps, heard.noise_var)

    def _follow_directions(self) -> None:
        """Waves that lost their power give their places to neighbours of those that have it."""
        waves, state = self._waves, self._filter
        power = np.zeros(self.setup.num_elements)
        power[waves.chosen] = state.power[state.num_direct :]
        expected = expected_power(power.reshape(waves.shape)).ravel()
        wanted = waves.keeping(expected, waves.num_modes).chosen
        kept = np.flatnonzero(np.isin(waves.chosen, wanted))
        if kept.size == waves.num_modes:
            return
        new = wanted[~np.isin(wanted, waves.chosen)]
        state.exchange(kept, expected[new])
        self._spectra.exchange(kept, len(new))
        self._waves = waves.with_waves(np.concatenate([waves.chosen[kept], new]))

    def _renew_probes(self) -> None:
        """The patterns that are on the board for longest are chosen anew, for what the others will leave unknown."""
        count, fresh = len(self._signs), min(self.config.fresh, len(self._signs))
        if not fresh:
            return
        stale = (self._oldest + np.arange(fresh)) % count
        others = np.delete(self._signs, stale, axis=0)
        rows = self._waves.rows_of(others.astype(np.float32))
        left = _after(self._expected(), self._with_direct(rows), self._noise_var)
        self._signs[stale], _ = choose_probes(self._waves.basis, left, self._noise_var, fresh)
        self._oldest = (self._oldest + fresh) % count

    def _expected(self) -> Complex[np.ndarray, "state state"]:
        """Covariance at the next round."""
        return self._filter.covariance + np.diag(OUTLOOK * self._filter.power)

    def _with_direct(self, rows: Complex[np.ndarray, "pattern mode"]) -> Complex[np.ndarray, "pattern state"]:
        return np.concatenate([np.ones((len(rows), self._filter.num_direct)), rows], axis=1)


def _begun(
    estimate: CascadedEstimate, waves: AngularSubspace, band: Float[np.ndarray, "oscillator"], time_s: float
) -> ModeFilter:
    """A filter that knows what an estimate tells of the waves."""
    coefficients, variance = waves.coefficients(estimate.cascade), float(np.mean(estimate.cascade_var))
    power = np.mean(np.abs(coefficients) ** 2, axis=1)
    power = np.maximum(power - variance, FAINTEST * power.max())
    variances = np.concatenate([[float(np.mean(estimate.direct_var))], np.full(waves.num_modes, variance)])
    return ModeFilter.begin(estimate.direct, coefficients, variances, power, band, time_s)


def _after(
    covariance: Complex[np.ndarray, "state state"], rows: Complex[np.ndarray, "pattern state"], noise_var: float
) -> Complex[np.ndarray, "state state"]:
    """Covariance once patterns of these rows were sounded."""
    reach = covariance @ rows.conj().T
    return np.asarray(
        covariance - reach @ np.linalg.solve(rows @ reach + noise_var * np.eye(len(rows)), reach.conj().T)
    )
