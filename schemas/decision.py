"""A decision on whether a run may be a baseline: one entry of the log, one row of the table `blessings`."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

BLESSED: Literal["blessed"] = "blessed"
WITHDRAWN: Literal["withdrawn"] = "withdrawn"
GATE: Literal["gate"] = "gate"
HAND: Literal["hand"] = "hand"
By = Literal["gate", "hand"]


class Standing(NamedTuple):
    """The last decision on a run, as far as its order and what it says go."""

    sequence: int
    run_id: str
    eval_date: str
    decision: str
    decided_by: str

    @property
    def blessed(self) -> bool:
        """Whether the run may be a baseline."""
        return self.decision == BLESSED


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on a run.

    sequence: from 1, one more with each decision; this is the order, and no clock is.
    decision: BLESSED or WITHDRAWN.
    decided_by: GATE or HAND.
    who: user and machine, None where they are not known.
    reason: the verdict, or what a person wrote; None where nobody wrote anything.
    time: when, by the clock of that machine, UTC.
    """

    sequence: int
    run_id: str
    eval_date: str
    decision: str
    decided_by: str
    who: str | None
    reason: str | None
    time: datetime

    @property
    def standing(self) -> Standing:
        """How the run stands by it, where it is the last one."""
        return Standing(self.sequence, self.run_id, self.eval_date, self.decision, self.decided_by)


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision as the log has it.

    before: how every run stood before it, the last decided first; None in most entries. Where it is there, nobody has
        to read further back.
    """

    decision: Decision
    before: tuple[Standing, ...] | None = None

    def to_json(self, key: str) -> str:
        """As JSON in ASCII; the key makes it unlike any other writer's."""
        values = {**asdict(self.decision), "time": self.decision.time.astimezone(UTC).isoformat(), "key": key}
        return json.dumps(values if self.before is None else {**values, "before": self.before})

    @classmethod
    def from_json(cls, text: str) -> "Entry":
        """What `to_json` made; keys of a later version are left out.

        Raises:
            ValueError, KeyError, TypeError: if it is something else.
        """
        values = json.loads(text)
        time = datetime.fromisoformat(values["time"])
        if time.tzinfo is None:
            raise ValueError("its time has no zone")
        said = (_text_or_none(values["who"]), _text_or_none(values["reason"]), time)
        before = None if values.get("before") is None else tuple(_standing(*each) for each in values["before"])
        return cls(Decision(*_standing(*(values[name] for name in Standing._fields)), *said), before)


def _standing(sequence: Any, run_id: Any, eval_date: Any, decision: Any, decided_by: Any) -> Standing:  # noqa: ANN401
    _check(type(sequence) is int and sequence > 0, "its sequence is no number from 1 on")
    _check(all(isinstance(each, str) and each for each in (run_id, eval_date)), "it names no run")
    _check(decision in (BLESSED, WITHDRAWN), f"expected {BLESSED} or {WITHDRAWN}")
    _check(decided_by in (GATE, HAND), f"expected that {GATE} or {HAND} decided")
    return Standing(sequence, run_id, eval_date, decision, decided_by)


def _text_or_none(value: Any) -> str | None:  # noqa: ANN401 - JSON
    _check(value is None or isinstance(value, str), "expected a text")
    return value  # type: ignore[no-any-return]


def _check(holds: bool, otherwise: str) -> None:  # noqa: FBT001
    if not holds:
        raise ValueError(otherwise)
