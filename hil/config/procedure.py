"""The parts of a procedure that several experiments share: sweep, optimizer, verification."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hil.config.section import Section


class SweepConfig(Section):
    """How the surface is sounded."""

    scheme: Literal["pairs", "hadamard", "hadamard_plus_one", "dft"] = Field(
        "pairs",
        description="each row followed by its complement (2N); the paper's N; N and the complement of row one; "
        "rows of Fourier matrices over all states of an element",
    )
    patterns: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="a part of the sweep: only so many of its patterns, which must tell all unknowns; all by default",
    )
    reference_every: Literal["off", "auto"] | Annotated[int, Field(ge=2, le=4096)] = Field(
        "off",
        description="its first pattern again after so many, against the radio's drift; auto: as often as the drift of "
        "the station's calibration needs, or that of a first block of that pattern alone",
    )
    mode: Literal["auto", "stepped", "pipelined", "codebook", "sequence", "triggered", "burst"] = Field(
        "auto", description="how the board steps"
    )
    reference: Literal["auto", "off"] = Field(
        "auto", description="listen with a second receiver that a coupler feeds from TX; auto: where one hears it"
    )
    repetitions: Annotated[int, Field(ge=1, le=4096)] | None = Field(
        None, description="symbols averaged in a sounding of the sweep; ofdm.repetitions where null"
    )
    scramble: bool = Field(True, description="multiply the columns of the Hadamard matrix by a stored +-1 mask")
    shuffle: bool = Field(True, description="send the rows in random order")
    group: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        (1, 1), description="rows x columns of elements that switch together: fewer patterns for a quick look"
    )
    block: Annotated[int, Field(ge=1, le=4096)] = Field(64, description="soundings per durable step of the recording")
    max_retakes: Annotated[int, Field(ge=0, le=100)] = Field(
        5, description="tries for one sounding before the sweep fails"
    )
    record_iq: bool = Field(False, description="keep the raw samples too, as SigMF, for `hil replay`")

    @model_validator(mode="after")
    def _groups_apart_from_direct(self) -> "SweepConfig":
        if self.group != (1, 1) and self.scheme == "hadamard":
            raise ValueError(
                "group: with the scheme `hadamard` one group cannot be told from the direct channel; take pairs, "
                "hadamard_plus_one or dft"
            )
        return self


class OptimizerConfig(Section):
    """Which algorithm chooses the pattern."""

    algorithm: str = Field("neural-prior", description="name of an optimizer: `hil optimize RUN --algorithm list`")
    starts: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        None, description="starts in one batch; what the algorithm needs where null"
    )
    epochs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="training epochs of a network; what the algorithm needs where null"
    )
    polish: bool = Field(True, description="refine the network's result, in tap space and on the states")
    device: Literal["auto", "cpu", "cuda"] = Field("cpu", description="where the network trains")


class VerificationConfig(Section):
    """How the result is judged, by soundings that nothing else used."""

    rounds: Annotated[int, Field(ge=2, le=10000)] = Field(
        24, description="interleaved rounds of all arms, random order"
    )
    soundings: Annotated[int, Field(ge=1, le=1000)] = Field(2, description="soundings of an arm in a round")
    held_out: Annotated[int, Field(ge=0, le=4096)] = Field(32, description="random patterns that test the prediction")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="of the intervals")

    @model_validator(mode="after")
    def _enough_without_a_round(self) -> "VerificationConfig":
        if (self.rounds - 1) * self.soundings < 2:
            raise ValueError(
                "rounds: 2 of 1 sounding each leave one alone, which tells no rate; take 3 rounds, or 2 soundings"
            )
        return self
