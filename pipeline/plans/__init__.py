"""From a config to the settings of every stage."""
