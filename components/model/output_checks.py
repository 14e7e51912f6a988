"""Whether a model's output is what the config says: the activation, the number of classes, finite numbers."""

import numpy as np
from numpy.typing import NDArray

from ...schemas.config.model import ModelSettings
from ...schemas.errors import ModelError
from .agreement import Agreement, scored_classes
from .score_function import Scores

PROBABILITY_TOLERANCE = 1e-3
"""Half precision puts a probability this far outside [0, 1], logits put it further."""
SUM_TOLERANCE = 1e-2
"""The probabilities of a softmax pixel add to 1 within this, on the mean of a sample."""


def finite_samples(scores: Scores) -> NDArray[np.bool_]:
    """Samples without NaN or infinity in their output, bool `[B]`."""
    return np.asarray(np.isfinite(scores.overlap.soft_predicted.numpy()).all(axis=1))


def check(scores: Scores, settings: ModelSettings, agreement: Agreement, n_classes: int, where: str) -> None:
    """Hold one batch's output against the config; NaN and infinity are the sample's matter.

    Raises:
        ModelError: where the output is something else; `where` says which records showed it.
    """
    _check_shape(scores, settings, agreement, where)
    lows, highs = scores.low.numpy(), scores.high.numpy()
    finite = np.isfinite(lows) & np.isfinite(highs)
    low, high = lows[finite].min(initial=0.0), highs[finite].max(initial=0.0)
    if settings.output_kind == "class_ids":
        if low < 0 or high >= n_classes:
            msg = f"it gives class ids from {low:.0f} to {high:.0f}, but the config names {n_classes} classes"
            raise _error(settings, msg)
        return
    channels = int(scores.channels)
    if scored_classes(channels, n_classes, settings, "seen at run time") != agreement.scored:
        msg = f"the output has {channels} channels, which its signature did not say; name one class for each"
        raise _error(settings, msg)
    if low < -PROBABILITY_TOLERANCE or high > 1 + PROBABILITY_TOLERANCE:
        kind = settings.output_kind
        msg = (
            f"output_kind is {kind!r}, which means probabilities, but the values run from {low:.4g} to {high:.4g} in "
            f"{where}; if these are logits, set output_kind: {kind.removesuffix('_logits')}_logits"
        )
        raise _error(settings, msg)
    if settings.output_kind == "softmax":
        _check_sum(scores, settings, where)


def _check_shape(scores: Scores, settings: ModelSettings, agreement: Agreement, where: str) -> None:
    if scores.fits:
        return
    classes = "" if settings.output_kind == "class_ids" else ", classes"
    msg = (
        f"expected an output of [batch, {agreement.spatial_rank} spatial axes{classes}] for a batch of "
        f"{len(scores.pixels)}, but it has the shape {scores.shape.numpy().tolist()} on {where}"
    )
    raise _error(settings, msg)


def _check_sum(scores: Scores, settings: ModelSettings, where: str) -> None:
    counted = (scores.pixels - scores.ignored_pixels).numpy()
    totals = scores.overlap.soft_predicted.numpy().sum(axis=1)
    means = totals[counted > 0] / counted[counted > 0]
    wrong = means[np.isfinite(means) & (np.abs(means - 1) > SUM_TOLERANCE)]
    if wrong.size:
        msg = (
            f"output_kind is 'softmax', but the probabilities of a pixel add to {wrong[0]:.4g} on average in {where}; "
            "independent classes are output_kind: sigmoid"
        )
        raise _error(settings, msg)


def _error(settings: ModelSettings, message: str) -> ModelError:
    return ModelError(f"model {settings.path}: {message}")
