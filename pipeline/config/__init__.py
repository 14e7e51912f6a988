"""From a YAML file and `--set` to a config."""
