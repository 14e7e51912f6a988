"""The models of finished runs, loaded again to predict the few samples that a page shows."""

import json

from pydantic import ValidationError

from ...components.model import fingerprints
from ...components.model.agreement import agree
from ...components.model.predictor import Predictor
from ...components.model.saved_model import ScoreSettings
from ...components.report.gallery import ShownModel
from ...components.runs import past_foreground
from ...components.runs.run_tables import FinishedRun
from ...schemas.config.config import Config
from ...schemas.config.model import ModelSettings
from ...schemas.errors import ModelError, StorageError
from ..plans import model_settings

_CONFIG_OF_NOW = ("output", "gate")
"""Keys that a run's own config does not decide here."""


def config_of(past: FinishedRun, config: Config) -> Config:
    """The config that a run was scored with, as its `runs` row says; the given one where the row cannot be read."""
    try:
        values = json.loads(past.row["config"] or "{}") | {"foreground": past_foreground.of(past.row)}
        stored = Config.model_validate_json(json.dumps(values))
    except (ValidationError, ValueError, TypeError):
        return config
    return stored.model_copy(update={key: getattr(config, key) for key in _CONFIG_OF_NOW})


def predictor(past: FinishedRun, config: Config) -> ShownModel:
    """A run's model, or why it is not there, with how its samples are decoded.

    Args:
        past: the run, whose row names the model.
        config: that it was scored with.
    """
    path = past.row["model"]
    if not path:
        return ShownModel(model_settings.without_model(config), "the run does not say which model it was")
    try:
        files = fingerprints.read_model(path)
        if files.fingerprint != past.row["model_fingerprint"]:
            return ShownModel(model_settings.without_model(config), "other files are in the model's folder now")
        settings = _settings(past, config)
        transform = model_settings.fingerprint_of_transform(settings)
        if transform != past.row["transform_fingerprint"]:
            return ShownModel(model_settings.without_model(config), "other files are in the transform's folder now")
        agreement = agree(settings, files.graph, transform, len(config.classes), config.batch_size)
        seconds = config.batch_timeout_seconds
        score = ScoreSettings(settings, config.labels, agreement, files.fingerprint, seconds, transform)
        return ShownModel(model_settings.decode_settings(config, agreement), Predictor(score))
    except (ModelError, StorageError):
        what = "its model, or the transform before it," if past.row["transform"] else "its model"
        return ShownModel(model_settings.without_model(config), f"{what} is not there any more, or cannot be loaded")


def _settings(past: FinishedRun, config: Config) -> ModelSettings:
    """The model and the transform where they were: a run's config may have had paths relative to another directory."""
    of_input = config.input.model_copy(update={"transform": past.row["transform"]})
    return config.model_settings.model_copy(update={"path": past.row["model"], "input": of_input})
