"""The folders that the rows of a run lie in, by their names: every id stands under one date."""

from collections.abc import Iterable

from .errors import TablesError


def of_path(path: str) -> tuple[str, str]:
    """The date and the run id that the path of a table's file names: `.../eval_date=<date>/run_id=<id>/<file>`."""
    date, run_id = (part.partition("=")[2] for part in path.split("/")[-3:-1])
    return date, run_id


def check_one_date(places: Iterable[tuple[str, str]], output: str) -> None:
    """Refuse an id that stands under two dates: its rows would be counted twice, or one of two runs be taken for it.

    Args:
        places: dates and run ids, as often as they come.
        output: the folder of the tables.

    Raises:
        TablesError: names the id, its dates, and what to do.
    """
    dates: dict[str, str] = {}
    for date, run_id in places:
        if dates.setdefault(run_id, date) != date:
            raise TablesError(under_two_dates(run_id, {date, dates[run_id]}, output))


def under_two_dates(run_id: str, dates: Iterable[str], output: str) -> str:
    """What is said of an id that stands under several dates."""
    first, *_ = every = sorted(dates)
    return (
        f"run {run_id!r} is there under several dates, {every}, and nobody can say which of them is meant: keep one "
        f"date of it, and delete the folders of the other, such as {output.rstrip('/')}/*/eval_date={first}/"
        f"run_id={run_id}; to evaluate, use another --run-id"
    )
