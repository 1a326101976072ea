"""Calibration over the air: what of radio, surface and room a run may rely on."""

from typing import Annotated, Literal

from pydantic import Field

from hil.config.procedure import SweepConfig
from hil.config.section import Positive, Section


class CalibrateConfig(Section):
    """Measure levels, settle time, elements, drift and motion; once for each station, again when it has changed."""

    schema_: Literal["hil-experiment/1"] = Field(alias="schema")
    kind: Literal["calibrate"]
    description: str = ""
    seed: int = Field(0, ge=0, description="random patterns, order of the sweep")
    headroom_db: Annotated[float, Field(ge=3, le=40)] = Field(
        9.0, description="from the strongest pattern's peak to the ADC's full scale"
    )
    candidates: Annotated[int, Field(ge=1, le=1024)] = Field(32, description="random patterns the gain is set on")
    switches: Annotated[int, Field(ge=2, le=100)] = Field(8, description="captures across a change of the surface")
    settle_window_s: Annotated[float, Field(gt=0, le=0.2)] = Field(
        6e-3, description="watched after a change; longer than the surface may take"
    )
    settled_db: Annotated[float, Field(ge=-60, le=-10)] = Field(
        -34.0, description="what may be left of a change when it counts as done"
    )
    watch_s: Annotated[float, Field(gt=0, le=3600)] = Field(10.0, description="one pattern watched: drift and motion")
    watch_soundings: Annotated[int, Field(ge=64, le=100000)] = Field(800, description="evenly over that time")
    direct: str | None = Field(
        None, description="run directory of a sweep made while the surface was covered: needed for the states' ratio"
    )
    valid_days: Positive = Field(30.0, description="after which `hil run` refuses the calibration")
    sweep: SweepConfig = Field(SweepConfig(), description="repetitions: as many as tell each element where null")
