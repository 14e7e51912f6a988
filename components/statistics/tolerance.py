"""When two numbers are the same: exact fractions of counts, and doubles within what sums in another order leave."""

from fractions import Fraction

RELATIVE = 1e-12
"""What docs/reference/statistics.md promises of doubles: sums of the same rows in any order agree to this."""


def exact(number: float) -> Fraction:
    """The decimal number that was written, not the double nearest to it: 0.29 is 29/100."""
    return Fraction(repr(float(number)))


def same(value: float, other: float) -> bool:
    """Whether two doubles differ by no more than their rounding."""
    return abs(value - other) <= RELATIVE * max(abs(value), abs(other))


def beyond(value: float, limit: float) -> bool:
    """Whether a value is above a limit by more than rounding: a mean of 0.8s is not below `min: 0.8`."""
    return value > limit and abs(value - limit) > RELATIVE * max(1.0, abs(limit))


def fraction_beyond(count: int, total: int, limit: float) -> bool:
    """Whether count / total is above a limit, exactly, the limit being the decimal number that was written.

    29 of 100 are within 0.29, though the double nearest to 0.29 times 100 is less than 29.
    """
    return count > exact(limit) * total
