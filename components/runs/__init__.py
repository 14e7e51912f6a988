"""A run on disk: where its files are, what they say, and whether they add up."""
