"""The sums of samples, put together and picked apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...schemas.records import SampleSums


def concatenate(parts: Sequence[SampleSums]) -> SampleSums:
    """The sums of several batches as one."""
    return SampleSums(*(np.concatenate([getattr(p, name) for p in parts]) for name in SampleSums.__dataclass_fields__))


def select(sums: SampleSums, index: NDArray[Any] | slice) -> SampleSums:
    """The sums of some samples, by index, mask or slice."""
    return SampleSums(*(getattr(sums, name)[index] for name in SampleSums.__dataclass_fields__))
