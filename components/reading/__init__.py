"""From shards to batches of samples."""
