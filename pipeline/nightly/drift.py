"""The data of a run beside those of its baseline, as `dicebeam analyze` has left them, for the gate."""

from collections.abc import Sequence
from dataclasses import replace

from ...components.gate import baselines, drift_checks, drift_data, drift_messages
from ...components.gate.drift_messages import Between
from ...components.runs.run_tables import FinishedRun
from ...schemas.config.config import Config
from ...schemas.errors import TablesError
from ...schemas.verdict import INVALID, NO_BASELINE, CheckVerdict
from .comparison import Comparison


def is_due(config: Config, past: FinishedRun) -> bool:
    """Whether the data of a run are still to be analyzed, or again: shards may have been added to it since."""
    if not config.gate.drift:
        return False
    found = drift_data.read(past)
    return found is None or found.unsound is not None


def judge(config: Config, tonight: FinishedRun, before: FinishedRun | None, why: str) -> tuple[CheckVerdict, ...]:
    """What became of the checks of the data; none where the config has none.

    Args:
        config: with `gate.drift`.
        tonight: the run.
        before: its baseline, None where there is none.
        why: there is none.

    Raises:
        TablesError: if the data of the run were not analyzed. That a baseline's were not is NO_BASELINE.
    """
    if not config.gate.drift:
        return ()
    now = drift_data.read(tonight)
    if now is None:
        msg = (
            f"gate.drift: expected what was found in the data of run {tonight.run_id!r}, but they were not analyzed. "
            f"First: dicebeam analyze CONFIG.yaml --run-id {tonight.run_id}; or judge without: --set gate.drift=[]"
        )
        raise TablesError(msg)
    if before is None:
        return drift_checks.judge(config.gate.drift, now, None, NO_BASELINE, why)
    if before.row["config_fingerprint"] != tonight.row["config_fingerprint"]:
        return drift_checks.judge(
            config.gate.drift, now, None, INVALID, "the baseline has another config, which may read data otherwise"
        )
    then = drift_data.read(before)
    not_analyzed = (
        f"the data of the baseline {before.run_id!r} were not analyzed; if they are still there as they were: "
        f"dicebeam analyze CONFIG.yaml --run-id {before.run_id}; else bless a run whose data were"
    )
    return drift_checks.judge(config.gate.drift, now, then, NO_BASELINE, not_analyzed)


def between(tonight: FinishedRun, before: FinishedRun | None, found: Comparison) -> Between:
    """What else the two runs share, or do not."""
    then = None if before is None else before.row
    return Between(
        same_model=then is not None and baselines.same_model(tonight.row, then),
        same_libraries=then is not None and tonight.row["versions"] == then["versions"],
        compared=found.before is not None,
        partly=bool(found.common is not None and (found.lost or found.added)),
    )


def beside(checks: Sequence[CheckVerdict], moved: Sequence[CheckVerdict], between: Between) -> tuple[CheckVerdict, ...]:
    """The checks of the model, each saying so where the data moved too."""
    return tuple(
        replace(check, message=check.message + drift_messages.beside(check, moved, between)) for check in checks
    )
