"""What the numbers in a mask mean: class ids, ignore labels, and how stored values map to them."""

from collections import Counter
from typing import Annotated
from unicodedata import category

from pydantic import BeforeValidator, Field, model_validator

from .settings import Integer, Settings, StoredValue

UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories of control characters, lone surrogates, and separators of lines and paragraphs."""


def _as_tuple(value: object) -> object:
    return value if isinstance(value, (str, list, tuple)) else (value,)


IgnoreLabels = Annotated[tuple[StoredValue, ...], BeforeValidator(_as_tuple)]
MaskValues = dict[StoredValue, Integer | None]
LabelOffset = Annotated[Integer, Field(ge=-(2**32), le=2**32)]


class LabelSettings(Settings):
    """How a stored mask value v becomes a class id.

    1. v in `ignore_label`: the pixel does not count at all.
    2. With `mask_values`: the class id it maps to, or no class where it maps to null (such a pixel counts as
       a false positive of whatever is predicted there). A value that is not listed fails the sample.
    3. Without: v + `label_offset`, which must be a class id; else the sample fails.

    A decoded mask holds the class id, `no_class` or `ignored` at every pixel, in `dtype`.
    """

    classes: tuple[str, ...] = Field(min_length=2)
    ignore_label: IgnoreLabels = ()
    mask_values: MaskValues = Field(default_factory=dict)
    label_offset: LabelOffset = 0

    @model_validator(mode="after")
    def _check(self) -> "LabelSettings":
        odd = [name for name in self.classes if not name.strip() or any(category(c) in UNPRINTABLE for c in name)]
        if odd:
            msg = f"classes: a name must have letters or signs, and no control characters, but got {odd[0]!r}"
            raise ValueError(msg)
        repeated = [name for name, times in Counter(self.classes).items() if times > 1]
        if repeated:
            msg = f"classes: every name must be there once, but {sorted(repeated)} are repeated"
            raise ValueError(msg)
        wrong = {v: c for v, c in self.mask_values.items() if c is not None and not 0 <= c < len(self.classes)}
        if wrong:
            msg = f"mask_values: class ids run from 0 to {len(self.classes) - 1}, but got {wrong}"
            raise ValueError(msg)
        if self.mask_values and self.label_offset:
            msg = "mask_values and label_offset both say what a value means; give one of them"
            raise ValueError(msg)
        both = sorted(set(self.ignore_label) & set(self.mask_values))
        if both:
            msg = f"mask_values and ignore_label both name {both}; a value is either ignored or mapped"
            raise ValueError(msg)
        return self

    @property
    def no_class(self) -> int:
        """The id of a pixel that counts but is of none of the classes."""
        return len(self.classes)

    @property
    def ignored(self) -> int:
        """The id of a pixel that does not count."""
        return len(self.classes) + 1

    @property
    def dtype(self) -> str:
        """The smallest dtype that holds every id."""
        return "uint8" if self.ignored <= 255 else "uint16" if self.ignored <= 65535 else "int32"  # noqa: PLR2004
