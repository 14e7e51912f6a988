"""Evaluate segmentation SavedModels over TFRecords, and train with the same Dice.

    from dicebeam import dice, losses, metrics

`losses` and `metrics` are Keras objects, `dice` the functions under them; the modules are `dicebeam.components.losses`
and so on. Nothing is loaded before it is used: `import dicebeam` costs no TensorFlow and no Beam.
The command line is `dicebeam`, or `python -m dicebeam`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .components import dice, losses, metrics

__all__ = ["__version__", "dice", "losses", "metrics"]

_COMPONENTS = ("dice", "losses", "metrics")

__version__: str


if not TYPE_CHECKING:  # or a type checker would take every misspelled name for one that is there

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module, or the version
        """Load a public name when it is first asked for."""
        if name in _COMPONENTS:
            return importlib.import_module(f".components.{name}", __name__)
        if name == "__version__":
            return importlib.import_module("importlib.metadata").version("dicebeam")
        msg = f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}"
        raise AttributeError(msg)


def __dir__() -> list[str]:
    """The public names."""
    return __all__
