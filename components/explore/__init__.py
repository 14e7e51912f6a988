"""`query`, `inspect` and `demo`: a look at tables, records and models."""
