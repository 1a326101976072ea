"""The loop that puts one pattern after another on the surface and sounds each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hil.arrays import Bool, Complex, Float, Int, Pattern, Patterns
from hil.errors import BoardReset
from hil.interfaces import SweepMode
from hil.measure.noise import snr_by_subcarrier_db
from hil.measure.recording import as_recorded
from hil.measure.reference import REFERENCE
from hil.measure.sounder import Sounder, Sounding

OWN = ("noise_var", "time_s", "retakes", "overloaded", "reference")  # fields, but the response, with a value a pattern


@dataclass(frozen=True)
class SoundingBlock:
    """Soundings in the order of their patterns: what a durable step stores. Fields as in `Sounding`.

    retakes: captures thrown away for each pattern: clipped, hit by bursts, or void because the board restarted.
    resets: restarts of the board that were found.
    reference: a `measure.reference.REFERENCE` for each: what the second receiver heard meanwhile; or what was heard
    before the patterns of a long capture, the same record for all of these. None where there is neither.
    noise_by_subcarrier: variance of a sounding on each subcarrier, mean over the soundings; zero where unused. None
    where that is not known: in recordings of before it was kept.
    """

    response: Complex[np.ndarray, "pattern subcarrier"]
    noise_var: Float[np.ndarray, "pattern"]
    time_s: Float[np.ndarray, "pattern"]
    retakes: Int[np.ndarray, "pattern"]
    overloaded: Bool[np.ndarray, "pattern"]
    resets: int
    reference: np.ndarray | None = None
    noise_by_subcarrier: Float[np.ndarray, "subcarrier"] | None = None

    @classmethod
    def gather(cls, soundings: Sequence[Sounding], voids: Sequence[int]) -> "SoundingBlock":
        """voids: soundings of each pattern that a restart of the board made void."""
        return cls(
            np.stack([sounding.response for sounding in soundings]),
            np.array([sounding.noise_var for sounding in soundings]),
            np.array([sounding.time_s for sounding in soundings]),
            np.array([sounding.retakes for sounding in soundings]) + np.asarray(voids),
            np.array([sounding.overloaded for sounding in soundings]),
            sum(voids),
            _together([sounding.reference for sounding in soundings], np.stack),
            _mean_noise([sounding.noise_by_subcarrier for sounding in soundings], [1] * len(soundings)),
        )

    @classmethod
    def of_capture(
        cls,
        response: Complex[np.ndarray, "pattern subcarrier"],
        noise_var: float,
        time_s: Float[np.ndarray, "pattern"],
        reference: np.ndarray | None,
        noise_by_subcarrier: Float[np.ndarray, "subcarrier"] | None,
    ) -> "SoundingBlock":
        """Soundings of one capture, all of them in the same noise; nothing was taken twice."""
        noise, never = np.full(len(response), noise_var), np.zeros(len(response), dtype=int)
        return cls(response, noise, time_s, never, never.astype(bool), 0, reference, noise_by_subcarrier)

    @classmethod
    def join(
        cls, blocks: Sequence["SoundingBlock"], response: Complex[np.ndarray, "pattern subcarrier"] | None = None
    ) -> "SoundingBlock":
        """Blocks one after the other. response: theirs, where they stand one after the other already."""
        return cls(
            np.concatenate([block.response for block in blocks]) if response is None else response,
            np.concatenate([block.noise_var for block in blocks]),
            np.concatenate([block.time_s for block in blocks]),
            np.concatenate([block.retakes for block in blocks]),
            np.concatenate([block.overloaded for block in blocks]),
            sum(block.resets for block in blocks),
            _together([block.reference for block in blocks], np.concatenate),
            _mean_noise([block.noise_by_subcarrier for block in blocks], [len(block.time_s) for block in blocks]),
        )

    def __getitem__(self, which: slice | Int[np.ndarray, "some"]) -> "SoundingBlock":
        """Some of the soundings; `resets` and the noise by subcarrier stay those of the whole block."""
        return replace(
            self,
            response=self.response[which],
            noise_var=self.noise_var[which],
            time_s=self.time_s[which],
            retakes=self.retakes[which],
            overloaded=self.overloaded[which],
            reference=None if self.reference is None else self.reference[which],
        )

    def snr_db(self, used: Bool[np.ndarray, "subcarrier"]) -> Float[np.ndarray, "used"]:
        """Mean SNR of a sounding on each used subcarrier, the noise's own power taken out of both.

        The noise is that of the scatter between the repetitions on it; where only its mean over the subcarriers is
        known, that one.
        """
        known = self.noise_by_subcarrier
        noise = np.atleast_1d(np.mean(self.noise_var)) if known is None else known[used]
        return snr_by_subcarrier_db(self.response[:, used], np.maximum(noise, np.finfo(float).tiny))

    def facts(self) -> dict[str, Any]:
        """What the block has but once, to stand beside `records`, as plain values."""
        noise = self.noise_by_subcarrier
        told = {} if noise is None else {"noise_by_subcarrier": [float(f"{each:.6g}") for each in noise.tolist()]}
        return {"resets": self.resets, **told}

    def records(self, begun: np.ndarray | None = None) -> np.ndarray:
        """One structured record of all soundings, for `.npy`; `record_kind`.

        begun: such a record, in which the response stands already; it is filled and returned.
        """
        if begun is None:
            record = np.zeros((), record_kind(*self.response.shape, referred=self.reference is not None))
            record["response"] = self.response
            return self.records(record)
        for name in (begun.dtype.names or ())[1:]:
            begun[name] = getattr(self, name)
        return begun

    @classmethod
    def from_records(
        cls, records: np.ndarray, resets: int = 0, noise_by_subcarrier: Sequence[float] | None = None
    ) -> "SoundingBlock":
        """The block that `records` stored, or that earlier versions stored with a record a pattern; the others are
        those of `facts`."""
        noise = None if noise_by_subcarrier is None else np.array(noise_by_subcarrier)
        fields = {name: records[name] for name in records.dtype.names or ()}
        with as_recorded("soundings"):
            return cls(**fields, resets=resets, noise_by_subcarrier=noise)


def record_kind(num_patterns: int, num_subcarriers: int, *, referred: bool) -> np.dtype[np.void]:
    """Of the record that holds so many soundings: their responses first, which are known before all else.

    referred: each has a reference.
    """
    kinds: list[tuple[Any, ...]] = [("response", "<c8", (num_patterns, num_subcarriers))]
    kinds += [("noise_var", "<f8", (num_patterns,)), ("time_s", "<f8", (num_patterns,))]
    kinds += [("retakes", "<i4", (num_patterns,)), ("overloaded", "?", (num_patterns,))]
    return np.dtype(kinds + ([("reference", REFERENCE, (num_patterns,))] if referred else []))


class Gathering:
    """Puts blocks one after the other while they come, so that nothing large is left to be copied at the end."""

    def __init__(self, num_patterns: int) -> None:
        self._num_patterns = num_patterns
        self._blocks: list[SoundingBlock] = []
        self._response = np.empty((0, 0), dtype=np.complex64)

    def add(self, block: SoundingBlock) -> None:
        """The next one."""
        if len(block.response) == self._num_patterns:
            self._blocks, self._response = [block], block.response
            return
        if not self._blocks:
            self._response = np.empty((self._num_patterns, block.response.shape[1]), dtype=block.response.dtype)
        start = sum(len(each.response) for each in self._blocks)
        kept = self._response[start : start + len(block.response)]
        kept[:] = block.response
        block = replace(block, response=kept)
        own: dict[str, Any] = {
            name: np.array(each) for name, each in vars(block).items() if name in OWN and each is not None
        }
        self._blocks.append(replace(block, **own))  # which lets go of the step that it came in

    def whole(self) -> SoundingBlock:
        """As `SoundingBlock.join` of them all."""
        return SoundingBlock.join(self._blocks, self._response)


def _together(references: Sequence[np.ndarray | None], join: Callable[..., np.ndarray]) -> np.ndarray | None:
    """None where one of them is missing."""
    known = [each for each in references if each is not None]
    return join(known) if known and len(known) == len(references) else None


def _mean_noise(
    noise: Sequence[Float[np.ndarray, "subcarrier"] | None], soundings: Sequence[int]
) -> Float[np.ndarray, "subcarrier"] | None:
    """Over all soundings; None where one of them is missing."""
    known = [each for each in noise if each is not None]
    if not known or len(known) < len(noise):
        return None
    return np.asarray(np.asarray(soundings) @ np.asarray(known) / sum(soundings))


@runtime_checkable
class SteppedSurface(Protocol):
    """What sounding pattern by pattern needs of a `Surface`."""

    def apply(self, pattern: Pattern, ahead: Pattern | None = None) -> None: ...

    def commit(self, ahead: Pattern | None = None) -> None: ...

    def select(self, index: int) -> None: ...

    def check(self) -> None: ...

    def read_pattern(self) -> Pattern | None: ...


def sound_patterns(
    sounder: Sounder,
    surface: SteppedSurface,
    patterns: Patterns,
    *,
    mode: SweepMode = "stepped",
    max_retakes: int = 5,
    progress: Callable[[int], object] | None = None,
) -> SoundingBlock:
    """Put each pattern on the surface and sound it. The first is sent whole, so that no block depends on another.

    A board that restarts says so only when it has booted, which may be after a capture. What proves a sounding is the
    board's next answer: where a command meets a restart the sounding before it is void too, and the last one is
    followed by a read-back. Where a board cannot be read back, the last sounding of a block rests on its silence.

    mode: `stepped`; `pipelined`, where the next pattern's bytes travel while the radio captures; `codebook`, where the
    patterns are those of the codebook that was loaded before.
    progress: called with the number of soundings done.
    Raises BoardReset where one pattern meets more than `max_retakes` restarts of the board, and whatever surface and
    sounder raise.
    """
    soundings: list[Sounding] = []
    voids = [0] * len(patterns)
    staged = False
    while len(soundings) < len(patterns):
        index = len(soundings)
        ahead = patterns[index + 1] if mode == "pipelined" and index + 1 < len(patterns) else None
        try:
            if mode == "codebook":
                surface.select(index)
            else:
                _show(surface, patterns[index], ahead, staged)
        except BoardReset as error:
            del soundings[-1:]
            _count_void(voids, len(soundings), max_retakes, error)
            staged = False
            continue
        try:
            sounding = sounder.sound()
            _prove(surface, patterns[index], is_last=index + 1 == len(patterns))
        except BoardReset as error:
            _count_void(voids, index, max_retakes, error)
            staged = False
            continue
        soundings.append(sounding)
        staged = ahead is not None
        if progress is not None:
            progress(index + 1)
    return SoundingBlock.gather(soundings, voids)


def _show(surface: SteppedSurface, pattern: Pattern, ahead: Pattern | None, staged: bool) -> None:
    if staged:
        surface.commit(ahead)
    else:
        surface.apply(pattern, ahead)


def _prove(surface: SteppedSurface, pattern: Pattern, is_last: bool) -> None:
    """Raise BoardReset where the board restarted while it was sounded, as far as that can be known by now."""
    surface.check()
    held = surface.read_pattern() if is_last else None
    if held is not None and not np.array_equal(held, pattern):
        raise BoardReset("the board holds another pattern than the one that was sounded")


def _count_void(voids: list[int], index: int, max_retakes: int, error: BoardReset) -> None:
    voids[index] += 1
    if voids[index] > max_retakes:
        raise BoardReset(
            f"the surface's board restarted {voids[index]} times while one pattern was sounded ({error}); "
            "look at its supply and its cable"
        ) from error
