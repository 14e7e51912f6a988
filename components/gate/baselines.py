"""Which run a run is compared with, and whether it can be."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..runs import config_difference, run_tables
from ..runs.accounting import DONE
from ..runs.run_tables import FinishedRun

BLESSED, PREVIOUS = "blessed", "previous"
_NONE_BLESSED = "no run is blessed yet; bless one by hand: dicebeam gate CONFIG.yaml --bless RUN_ID"
_NAMED = 3
_NONE_BEFORE = "no finished run of another model on the same data is there yet"


def find(
    kind: str,
    tonight: FinishedRun,
    runs: Sequence[FinishedRun],
    blessed: Sequence[str] = (),
    hidden: Sequence[FinishedRun] = (),
    *,
    common: bool = False,
    now: datetime | None = None,
) -> tuple[FinishedRun | None, str]:
    """The baseline, and if there is none, why.

    The run is chosen first, from all that were finished or blessed, and looked for then: where its row is not there, or
    hidden, there is no baseline. The next best is never taken in its place, because a gate that compares with an older
    run passes what has become worse since.

    Args:
        kind: `blessed`, the run that was blessed last; `previous`, the last finished run of another model, or with
            another transform before it, on the same data, whose failures were within its budget; or a run id.
        tonight: the run that is held against it, which is never its own baseline.
        runs: the finished runs that may be it.
        blessed: ids of blessed runs, the one that was blessed last first.
        hidden: runs that were finished and may be it, whose rows are hidden now.
        common: whether the samples that both have are compared, so that, if there is no previous run on the same data,
            the last one of the same config will do.
        now: the time of this machine, by default.

    Raises:
        ClockError: if a run that may be the previous one, or tonight's, was finished at a time that is still to come.
    """
    others = {past.run_id: past for past in runs if past.run_id != tonight.run_id}
    if kind == BLESSED:
        chosen, none = next((run_id for run_id in blessed if run_id != tonight.run_id), None), _NONE_BLESSED
    elif kind == PREVIOUS:
        found = _previous(tonight, [*others.values(), *hidden], previous(tonight, common=common, now=now))
        chosen, none = found, _NONE_BEFORE
    else:
        known = kind in others or any(past.run_id == kind for past in hidden)
        chosen, none = kind if known else None, f"there is no other finished run {kind!r}"
    if chosen is None or chosen in others:
        return others.get(chosen or ""), none
    return None, f"the baseline is {not_there(chosen)}"


def not_there(run_id: str) -> str:
    """What is to be said of a run that was finished and has no row now."""
    return (
        f"run {run_id!r}, but its row in `runs` is not there: a summary or a compaction of it is at work or was "
        f"stopped, or the row was deleted. To repair it: dicebeam summarize CONFIG.yaml --run-id {run_id}"
    )


def no_decision(marked: Sequence[str]) -> str | None:
    """What is said of runs that have the file BLESSED, and on which nothing was decided; None where there are none."""
    if not marked:
        return None
    named = ", ".join(marked[:_NAMED]) + (f" and {len(marked) - _NAMED:,} more" if len(marked) > _NAMED else "")
    return (
        f"the file BLESSED is there for {named}, but an earlier version wrote it, and the gate goes by decisions, in "
        "the table `blessings`: bless the run that is to be the baseline by hand"
    )


def _previous(
    tonight: FinishedRun, others: Sequence[FinishedRun], fitting: Sequence[Callable[[FinishedRun], bool]]
) -> str | None:
    ordered = sorted(others, key=lambda past: (past.finished, past.run_id), reverse=True)
    for fits in fitting:
        if found := next((past for past in ordered if past.run_id != tonight.run_id and fits(past)), None):
            return found.run_id
    return None


def previous(
    tonight: FinishedRun, *, common: bool, now: datetime | None = None
) -> tuple[Callable[[FinishedRun], bool], ...]:
    """What the previous run of a run must be; if none is, what it must be instead. It is the last one that is.

    Args:
        tonight: the run.
        common: whether the samples that both have are compared, so that a run of the same config will do.
        now: the time of this machine, by default.

    Raises:
        ClockError: if the run was finished at a time that is still to come; what is returned raises it for a run that
            may be the previous one.
    """
    here = now or datetime.now(UTC)
    run_tables.check_finished(tonight, here)

    def is_earlier(past: FinishedRun) -> bool:
        if past.row["status"] != DONE or _scored_by(past.row) == _scored_by(tonight.row):
            return False
        run_tables.check_finished(past, here)
        return past.finished <= tonight.finished

    def of_the_data(past: FinishedRun) -> bool:
        return past.run_id != tonight.run_id and same_data(past.row, tonight.row) and is_earlier(past)

    def of_the_config(past: FinishedRun) -> bool:
        alike = past.row["config_fingerprint"] == tonight.row["config_fingerprint"]
        return past.run_id != tonight.run_id and alike and is_earlier(past)

    return (of_the_data, of_the_config) if common else (of_the_data,)


def _scored_by(row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Fingerprints of the model and of the transform before it, which together are what is judged."""
    return row["model_fingerprint"], row.get("transform_fingerprint")


def unlike(now: Mapping[str, Any], before: Mapping[str, Any], not_scoring: set[str], *, common: bool) -> list[str]:
    """Why two runs cannot be compared, a line each; empty if they can.

    Args:
        now: the `runs` row of a run.
        before: that of its baseline.
        not_scoring: config keys that do not decide the rows of `samples`.
        common: whether the samples that both have scored are compared, so that the others may differ.
    """
    found = []
    if before["status"] != DONE:
        found.append(f"the baseline's status is {before['status']}")
    if now["config_fingerprint"] != before["config_fingerprint"]:
        differs = difference(before["config"], now["config"], not_scoring)
        found.append(f"the baseline was scored with another config: {differs}")
    elif not same_data(now, before):  # another config makes other rows, and so another fingerprint, of the same data
        if not common:
            counts = f"{before['scored']:,} samples scored then, {now['scored']:,} now"
            found.append(
                f"the data are not the same (sample ids or true masks differ; {counts}); "
                "gate.common_samples: true compares the samples that both have"
            )
        elif now["duplicate_ids"] or before["duplicate_ids"]:
            found.append("the data are not the same, and samples that share an id cannot be told apart")
    return found


def other_transform(now: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
    """What is to be said of two runs with different transforms before their models; None where they have the same.

    Such runs can be compared, as those of two models can: the transform is a part of what is judged.
    """
    (model, transform), (model_then, transform_then) = _scored_by(now), _scored_by(before)
    if transform == transform_then:
        return None
    names = [
        f"{row.get('transform')} ({found[:12]})" if found else "none"
        for row, found in ((before, transform_then), (now, transform))
    ]
    whose = "the model is the same" if model == model_then else "the model is another one too"
    return f"the transform is another one: {' -> '.join(names)}; {whose}"


def same_model(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether two runs have the same model and the same transform before it, as far as they say."""
    return now["model_fingerprint"] is not None and _scored_by(now) == _scored_by(before)


def same_data(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether two runs have scored the same ids with the same true masks, as far as they say."""
    return now["data_fingerprint"] is not None and now["data_fingerprint"] == before["data_fingerprint"]


def same_slices(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether the samples of two runs have the same slice features and clusters, as far as they say."""
    found = now.get("slices_fingerprint")
    return found is not None and found == before.get("slices_fingerprint")


def difference(then: str, now: str, not_scoring: set[str]) -> str:
    """What differs between two configs that score differently, as JSON each."""
    differs = config_difference.summary(_scoring(then, not_scoring), _scoring(now, not_scoring))
    return differs or "in its slice features, or in what another version of dicebeam made of it"


def _scoring(config: str, not_scoring: set[str]) -> str:
    return json.dumps({key: value for key, value in json.loads(config).items() if key not in not_scoring})
