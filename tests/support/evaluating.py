"""Run an evaluation in a test and read its tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from dicebeam.pipeline.plans.evaluation_plan import make_plan
from dicebeam.pipeline.runner import run
from dicebeam.schemas.config.config import Config


def evaluate(config: dict[str, Any] | Config, run_id: str | None = None, flags: Sequence[str] = ()) -> run.Outcome:
    checked = config if isinstance(config, Config) else Config.model_validate(config)
    return run.execute(make_plan(checked, run_id, flags))


def table(outcome: run.Outcome, name: str) -> pd.DataFrame:
    files = sorted(Path(outcome.run.folder(name)).glob("*.parquet"))
    frames = [pq.read_table(file, partitioning=None).to_pandas() for file in files]
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
