"""Ratios, quantiles, intervals and digests of sums, in NumPy; nothing here opens a file."""
