"""A finished run held against its baseline: from tables to a verdict and a page."""
