"""Times that are still to come: what was written by a wrong clock decides no order."""

from datetime import UTC, datetime, timedelta

from ...schemas.errors import ClockError

TOLERANCE = timedelta(minutes=5)
"""How far the clocks of two machines may be apart."""


def check(what: str, time: datetime, now: datetime, remedy: str) -> None:
    """Refuse a time that lies more than `TOLERANCE` after now.

    Args:
        what: has the time, in words, with where it is written.
        time: of it.
        now: the time of this machine.
        remedy: what to do, beside correcting this machine's clock if that is the wrong one.

    Raises:
        ClockError: names all of them.
    """
    if time - now > TOLERANCE:
        then, here = (f"{each.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for each in (time, now))
        minutes = int(TOLERANCE.total_seconds() // 60)
        msg = (
            f"{what} is of {then}, which is still to come: here it is {here}, and clocks may be {minutes} minutes "
            f"apart. Correct this machine's clock if it is slow; else {remedy}"
        )
        raise ClockError(msg)
