"""From batches to sums: the SavedModel, and what it must agree on with the config."""
