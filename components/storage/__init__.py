"""Bytes on this machine and in buckets, and Parquet files made of them."""
