"""What is done to the data: one job a file. May import from schemas, never from pipeline."""
