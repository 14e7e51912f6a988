"""What is said of slices."""

from dataclasses import dataclass

import pyarrow as pa

ALL = "all"
"""The slice that every sample is in."""

FOREGROUND = "foreground"
"""The class name of the mean over the foreground classes, whose class id is NULL."""

ANY = "*"
"""In a check: every class, channel or slice; within a slice's name any part of a value."""


@dataclass(frozen=True, slots=True)
class SliceReport:
    """The rows of one slice: of `classes`, `slices`, `histograms` and, where they are kept, `replicates`."""

    name: str
    classes: pa.Table
    slices: pa.Table
    histograms: pa.Table
    replicates: pa.Table | None
