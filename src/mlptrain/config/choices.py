"""What a named choice is: a description, the name Keras knows it by, and its typed parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, Field

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A share in [0, 1): a decay rate, a dropout rate, a part of the steps."""
UnitInterval = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
"""A share in (0, 1] that something is multiplied down to."""
PositiveFraction = Annotated[float, Field(gt=0, lt=1)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Choice:
    """One entry of a registry: what `name:` in a group's file may say.

    Attributes:
        description: one line for `mlptrain options`.
        keras: the class or function name in the matching Keras module; None where mlptrain
            computes it itself.
        parameters: key → type with its range; the keys are Keras's own argument names.
    """

    description: str
    keras: str | None = None
    parameters: Mapping[str, Any] | None = None

    def keys(self) -> list[str]:
        """The parameter names, in the order the registry gives them."""
        return list(self.parameters or {})
