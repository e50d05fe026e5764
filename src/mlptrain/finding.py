"""A finding: what is wrong with a data set or a run, how that is known, and what to try."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

Severity = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")


class Threshold(NamedTuple):
    """A limit at which a check begins to speak, what it limits, and where it comes from."""

    value: float
    meaning: str
    source: str


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        name: stable, for programs.
        severity: how much it matters.
        summary: what is wrong, in one or two sentences.
        evidence: what was measured: a text, or JSON content.
        commands: to try, the most promising first; each is complete.
    """

    name: str
    severity: Severity
    summary: str
    evidence: Any
    commands: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return the finding as JSON content."""
        content = asdict(self)
        commands = content.pop("commands")
        return {**content, "try": list(commands)}
