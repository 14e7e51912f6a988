"""Outlines of masks as SVG paths along the edges of pixels: exact, and small at any zoom."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_CORNERS = 1000
"""Points of one outline; about 6 bytes each in the page. A mask with more is drawn coarser."""

_Point = tuple[int, int]
_RIGHT_OF = {(1, 0): (0, 1), (0, 1): (-1, 0), (-1, 0): (0, -1), (0, -1): (1, 0)}


class Outline(NamedTuple):
    """An SVG path in the mask's pixels, empty for an empty mask; `step` is the size of its grid."""

    path: str
    step: int


def outline(mask: NDArray[np.bool_], max_corners: int = MAX_CORNERS) -> Outline:
    """The outline of a mask `[H, W]`.

    The path follows the edges of pixels, and filled it is the mask. A mask of more than `max_corners` corners is
    halved, each block of pixels by its majority, until it has no more.
    """
    step, coarse = 1, np.asarray(mask, bool)
    while corners(coarse) > max_corners:
        coarse, step = _halved(coarse), 2 * step
    return Outline(_path(coarse, step, mask.shape), step)


def corners(mask: NDArray[np.bool_]) -> int:
    """How many corners the outline of a mask has."""
    p = np.pad(mask, 1).astype(np.int8)
    a, b, c, d = p[:-1, :-1], p[:-1, 1:], p[1:, :-1], p[1:, 1:]
    odd, diagonal = (a + b + c + d) % 2 == 1, (a == d) & (b == c) & (a != b)
    return int(np.count_nonzero(odd)) + 2 * int(np.count_nonzero(diagonal))


def _halved(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks of 2 x 2 by majority; what is beyond the last row and column does not count."""
    height, width = mask.shape
    padding = ((0, height % 2), (0, width % 2))
    parts = [np.pad(part, padding) for part in (mask, np.ones_like(mask))]
    tiles = [part.reshape((height + 1) // 2, 2, (width + 1) // 2, 2) for part in parts]
    true, there = (tile.sum(axis=(1, 3), dtype=np.uint8) for tile in tiles)
    halved: NDArray[np.bool_] = 2 * true > there
    return halved


def _path(mask: NDArray[np.bool_], step: int, shape: tuple[int, ...]) -> str:
    height, width = shape

    def x(value: int) -> int:
        return min(value * step, width)

    def y(value: int) -> int:
        return min(value * step, height)

    parts = []
    for loop in _loops(mask):
        (before_x, before_y), *rest = loop
        parts.append(f"M{x(before_x)} {y(before_y)}")
        for at_x, at_y in rest:
            if at_y == before_y:
                parts.append(f"h{x(at_x) - x(before_x)}")
            else:
                parts.append(f"v{y(at_y) - y(before_y)}")
            before_x, before_y = at_x, at_y
        parts.append("z")
    return "".join(parts)


def _loops(mask: NDArray[np.bool_]) -> list[list[_Point]]:
    """Closed loops of corners, the mask on the right hand; the last edge of each, which closes it, is left out."""
    edges = _edges(mask)
    loops = []
    while edges:
        start = next(iter(edges))
        at, end = start, edges[start][0]
        loop, heading = [start], _heading(start, end)
        while True:
            ends = edges[at]
            ends.remove(end)
            if not ends:
                del edges[at]
            at = end
            if at not in edges:
                break
            end = _turn(at, heading, edges[at])
            if _heading(at, end) != heading:
                loop.append(at)
                heading = _heading(at, end)
        loops.append(loop)
    return loops


def _turn(at: _Point, heading: _Point, ends: list[_Point]) -> _Point:
    """Where two loops touch, to the right: pixels that share a corner alone are apart."""
    right = _RIGHT_OF[heading]
    return next((end for end in ends if _heading(at, end) == right), ends[0])


def _heading(start: _Point, end: _Point) -> _Point:
    return int(np.sign(end[0] - start[0])), int(np.sign(end[1] - start[1]))


def _edges(mask: NDArray[np.bool_]) -> dict[_Point, list[_Point]]:
    """Ends of the unit edges that begin at each point, as (x, y)."""
    padded = np.pad(mask, 1).astype(np.int8)
    down, across = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    found: dict[_Point, list[_Point]] = {}
    for steps, value, start, end in (
        (down, 1, (0, 0), (1, 0)),
        (down, -1, (1, 0), (0, 0)),
        (across, 1, (0, 1), (0, 0)),
        (across, -1, (0, 0), (0, 1)),
    ):
        for row, column in np.argwhere(steps == value).tolist():
            point = column + start[0], row + start[1]
            found.setdefault(point, []).append((column + end[0], row + end[1]))
    return found
