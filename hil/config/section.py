"""What all sections of a configuration file share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Level = Annotated[float, Field(ge=-300, le=300)]
"""dB, dBm and the like, of anything that exists."""
Coordinate = Annotated[float, Field(ge=-1e5, le=1e5)]
Position = tuple[Coordinate, Coordinate, Coordinate]


class Section(BaseModel):
    """Base of all sections: no unknown keys, no NaN, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
