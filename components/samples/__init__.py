"""The table `samples`: written once for each shard, read in blocks, compacted."""
