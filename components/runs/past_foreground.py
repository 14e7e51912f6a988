"""The classes in the mean of tables that are there already."""

import json
from collections.abc import Mapping
from typing import Any

from ...schemas.config import foreground


def of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the foreground classes of a run, by its `runs` row; none where the row has no config."""
    try:
        stored = json.loads(row.get("config") or "{}")
    except ValueError:
        return ()
    return foreground.of_stored(stored) if isinstance(stored, dict) else ()
