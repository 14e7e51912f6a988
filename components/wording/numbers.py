"""Numbers as people read them: metrics, differences, statistics of data. One form for messages, tables and the page."""

NO_VALUE = "-"

_LARGE = 10
"""Metrics are at most 1 and told apart by four decimals; distances, seconds and rates of samples are not."""


def metric(value: float | None) -> str:
    """Four decimals, one from 10 on, or a dash where there is no value."""
    if value is None:
        return NO_VALUE
    shown = f"{value:.4f}" if abs(value) < _LARGE else f"{value:,.1f}"
    return "0.0000" if shown == "-0.0000" else shown


def signed(value: float | None) -> str:
    """A difference of metrics with its sign, or a dash."""
    if value is None:
        return NO_VALUE
    shown = metric(value)
    return shown if shown.startswith("-") else f"+{shown}"


def statistic(value: float | None) -> str:
    """Four significant digits, or a dash: parts of a rare class are small, and means of 16-bit images are not."""
    if value is None:
        return NO_VALUE
    return f"{value:.4g}" if abs(value) < 9_999.5 else f"{value:,.1f}"  # noqa: PLR2004
