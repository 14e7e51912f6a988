"""The pixel budget: what an image, mask or tensor claims to be is held against `max_pixels` before it is decoded.

A PNG of 60,000 x 60,000 pixels can be a file of some kilobytes; decoded it takes 10 GB.
"""

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ...schemas.errors import SampleError
from .image_headers import Claim


def check(what: str, sizes: Sequence[int], max_pixels: int, stage: str) -> None:
    """Refuse sizes whose product is over the budget, or 0.

    Args:
        what: names the thing in the message, "the image" or "the feature 'x'".
        sizes: spatial sizes, of any number of axes.
        max_pixels: of one sample.
        stage: of the error.

    Raises:
        SampleError: if the product of the sizes is 0 or more than `max_pixels`.
    """
    pixels = math.prod(sizes)
    shown = " x ".join(map(str, sizes))
    if pixels == 0:
        msg = f"{what} has no pixels ({shown})"
        raise SampleError(msg, stage=stage)
    if pixels > max_pixels:
        msg = f"{what} claims {shown} = {pixels:,} pixels, but max_pixels is {max_pixels:,}; it was not decoded"
        raise SampleError(msg, stage=stage)


def check_decoded(what: str, claim: Claim | None, decoded: NDArray[Any], stage: str) -> None:
    """Hold what a decoder gave, `[height, width, ...]`, against what the header claimed.

    Raises:
        SampleError: if the sizes differ.
    """
    if claim is not None and decoded.shape[:2] != (claim.height, claim.width):
        gave = " x ".join(map(str, decoded.shape[:2]))
        msg = (
            f"{what} claims {claim.height} x {claim.width} pixels, but its decoder gave {gave}; the file contradicts "
            "itself"
        )
        raise SampleError(msg, stage=stage)
