"""Charts as inline SVG: no script, no colour without a shape, a line style or a sign beside it.

Colours are classes of the page's style sheet, so that they follow its light and dark themes. Every text is escaped.
"""

from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor

from markupsafe import Markup, escape

from ...schemas.verdict import DRIFTED, INCONCLUSIVE, INVALID, NO_BASELINE, OUT_OF_BOUNDS, PASS, REGRESSED
from ..runs.accounting import DONE
from .report_lines import Compared
from .trend import Point

TREND_WIDTH, TREND_HEIGHT = 920, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 34
_BARS_WIDTH, _BARS_HEIGHT = 250, 84
_RANGE_WIDTH, _RANGE_HEIGHT = 120, 22
_SHAPES = {
    PASS: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
    REGRESSED: "M-6 -5h12l-6 11z",
    OUT_OF_BOUNDS: "M-5 -5h10v10h-10z",
    INCONCLUSIVE: "M0 -6.5l6.5 6.5l-6.5 6.5l-6.5 -6.5z",
    NO_BASELINE: "M-6 5h12l-6 -11z",
    INVALID: "M-5 -5l10 10M5 -5l-10 10",
    DRIFTED: "M-6.5 -5h6l6.5 5l-6.5 5h-6l6.5 -5z",
}
"""A shape for each verdict, around (0, 0)."""
_NOT_GATED = "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z"
_Scale = Callable[[float], float]
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def mark(verdict: str | None) -> Markup:
    """The shape of a verdict, as the trend draws it, for a legend or a badge."""
    path, name = _SHAPES.get(verdict or "", _NOT_GATED), style_of(verdict)
    return Markup(
        '<svg class="mark {}" viewBox="-8 -8 16 16" width="14" height="14" aria-hidden="true"><path d="{}"/></svg>'
    ).format(name, path)


def trend(points: Sequence[Point], baseline: str | None) -> Markup:
    """Mean Dice of the nights with its 95 % interval; nights of another config stand aside of the line."""
    x = {i: _LEFT + (i + 0.5) * (TREND_WIDTH - _LEFT - _RIGHT) / max(len(points), 1) for i in range(len(points))}
    values = [v for p in points for v in (p.value, p.low, p.high) if v is not None and (p.comparable or v == p.value)]
    low, high, step = _scale(values)

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (TREND_HEIGHT - _TOP - _BOTTOM)

    own = [(x[i], p) for i, p in enumerate(points) if p.comparable and p.value is not None]
    parts = [_grid(low, high, step, y)]
    banded = [(at, p.low, p.high) for at, p in own if p.low is not None and p.high is not None]
    if banded:
        edge = [(at, y(top)) for at, _, top in banded] + [(at, y(bottom)) for at, bottom, _ in reversed(banded)]
        parts.append(Markup('<polygon class="band" points="{}"/>').format(_pairs(edge)))
    line = _pairs((at, y(p.value)) for at, p in own if p.value is not None)
    parts.append(Markup('<polyline class="line now" points="{}"/>').format(line))
    parts += [
        _night(p, x[i], y, last=i == len(points) - 1, is_baseline=p.run_id == baseline) for i, p in enumerate(points)
    ]
    parts += _dates(points, x)
    head = Markup(
        '<svg class="chart trend" viewBox="0 0 {} {}" width="{}" height="{}" role="img" '
        'aria-label="Mean Dice of the foreground over the last {} runs; the table below has the numbers">'
    ).format(TREND_WIDTH, TREND_HEIGHT, TREND_WIDTH, TREND_HEIGHT, len(points))
    return head + Markup("").join(parts) + Markup("</svg>")


def _night(point: Point, at: float, y: _Scale, *, last: bool, is_baseline: bool) -> Markup:
    if point.value is None:
        return Markup("")
    height = y(point.value)
    title = f"{point.run_id}, {point.finished:%Y-%m-%d %H:%M} UTC: {point.value:.4f}, {point.verdict or 'not gated'}"
    title += "" if point.comparable else ", of another config"
    title += "" if point.status == DONE else f", status {point.status}"
    shape, css = (_SHAPES.get(point.verdict or "", _NOT_GATED), style_of(point.verdict))
    if not point.comparable:
        shape, css = "M-4 -4l8 8M4 -4l-8 8", "other"
    ring = Markup('<circle class="ring" r="10"/>') if last else Markup("")
    halo = Markup('<circle class="ring dashed" r="10"/>') if is_baseline else Markup("")
    body = Markup('<g transform="translate({:.1f} {:.1f})"><title>{}</title>{}{}<path class="mark {}" d="{}"/></g>')
    return body.format(at, height, title, ring, halo, css, shape)


def _grid(low: float, high: float, step: float, y: _Scale) -> Markup:
    count = round((high - low) / step)
    lines = []
    for i in range(count + 1):
        value = low + i * step
        height = y(value)
        lines.append(
            Markup('<path class="grid" d="M{} {:.1f}H{}"/><text class="tick" x="{}" y="{:.1f}">{:.3f}</text>').format(
                _LEFT, height, TREND_WIDTH - _RIGHT, _LEFT - 8, height + 4, value
            )
        )
    return Markup("").join(lines)


def _dates(points: Sequence[Point], x: dict[int, float]) -> list[Markup]:
    every = max(1, -(-len(points) // 10))
    text = Markup('<text class="tick date" x="{:.1f}" y="{}">{}</text>')
    return [
        text.format(x[i], TREND_HEIGHT - 10, f"{point.finished:%m-%d}")
        for i, point in enumerate(points)
        if (len(points) - 1 - i) % every == 0
    ]


def _scale(values: Sequence[float]) -> tuple[float, float, float]:
    """Limits on whole steps, and a step that makes three to eight of them."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    span = max(high - low, 0.004)
    step = next((step for step in _STEPS if span / step <= 6), _STEPS[-1])  # noqa: PLR2004
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return first * step, max(last, first + 1) * step, step


def histogram(now: Sequence[int], before: Sequence[int] | None, label: str) -> Markup:
    """Bars of this run, and the baseline as a dashed line of steps, each as a part of its own samples."""
    bars = _parts(now)
    steps = _parts(before) if before else []
    top = max([*bars, *steps, 0.0]) or 1.0
    width, base = _BARS_WIDTH / max(len(bars), len(steps), 1), _BARS_HEIGHT - 1
    heights = [(i * width, part / top * (base - 4)) for i, part in enumerate(bars)]
    drawn = "".join(f"M{at:.1f} {base}v{-size:.1f}h{width - 0.6:.1f}v{size:.1f}z" for at, size in heights if size > 0)
    line = "".join(f"V{base - part / top * (base - 4):.1f}h{width:.1f}" for part in steps)
    outline = Markup('<path class="line before" d="M0 {}{}"/>').format(base, line) if steps else Markup("")
    return Markup(
        '<svg class="chart bars" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path class="grid" d="M0 {}H{}"/><path class="bar now" d="{}"/>{}</svg>'
    ).format(_BARS_WIDTH, _BARS_HEIGHT, label, base, _BARS_WIDTH, drawn, outline)


def _parts(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def ranges(dice: Compared, low: float, high: float) -> Markup:
    """Value and interval of a run as a dot on a line, above those of the baseline as a ring on a dashed one."""
    if dice.value is None:
        return Markup("")

    def x(value: float) -> float:
        return 5 + (min(max(value, low), high) - low) / (high - low or 1) * (_RANGE_WIDTH - 10)

    middle = _RANGE_HEIGHT / 2
    parts = [Markup('<path class="grid" d="M5 {}H{}"/>').format(_RANGE_HEIGHT - 1, _RANGE_WIDTH - 5)]
    if dice.baseline is not None:
        parts.append(_range("before", x, middle + 4, (dice.baseline, dice.baseline_low, dice.baseline_high)))
    parts.append(_range("now", x, middle - 4, (dice.value, dice.low, dice.high)))
    head = Markup('<svg class="chart range" viewBox="0 0 {0} {1}" width="{0}" height="{1}" aria-hidden="true">')
    return head.format(_RANGE_WIDTH, _RANGE_HEIGHT) + Markup("").join(parts) + Markup("</svg>")


def _range(css: str, x: _Scale, y: float, values: tuple[float | None, float | None, float | None]) -> Markup:
    value, low, high = values
    line = Markup("")
    if value is None:
        return line
    if low is not None and high is not None:
        line = Markup('<path class="line {}" d="M{:.1f} {}H{:.1f}"/>').format(css, x(low), y, x(high))
    return line + Markup('<circle class="dot {}" cx="{:.1f}" cy="{}" r="3"/>').format(css, x(value), y)


def difference(dice: Compared, limit: float) -> Markup:
    """The difference as a bar from zero, to the left where it fell, with its paired interval as a line."""
    if dice.difference is None:
        return Markup("")

    def x(value: float) -> float:
        return _RANGE_WIDTH / 2 + min(max(value / (limit or 1), -1), 1) * (_RANGE_WIDTH / 2 - 5)

    zero, end, middle = x(0), x(dice.difference), _RANGE_HEIGHT / 2
    css = "fell" if dice.difference < 0 else "rose"
    bar = Markup('<path class="bar {}" d="M{:.1f} {}h{:.1f}v8h{:.1f}z"/>').format(
        css, zero, middle - 4, end - zero, zero - end
    )
    line = Markup("")
    if dice.paired_low is not None and dice.paired_high is not None:
        line = Markup('<path class="whisker" d="M{:.1f} {}H{:.1f}"/>').format(
            x(dice.paired_low), middle, x(dice.paired_high)
        )
    head = Markup('<svg class="chart range" viewBox="0 0 {0} {1}" width="{0}" height="{1}" aria-hidden="true">')
    axis = Markup('<path class="grid" d="M{:.1f} 1V{}"/>').format(zero, _RANGE_HEIGHT - 1)
    return head.format(_RANGE_WIDTH, _RANGE_HEIGHT) + axis + bar + line + Markup("</svg>")


def _pairs(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def style_of(verdict: str | None) -> str:
    """The class of the style sheet that has the colour of a verdict."""
    return f"v-{escape(verdict).lower()}" if verdict in _SHAPES else "v-none"
