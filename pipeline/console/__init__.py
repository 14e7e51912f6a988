"""What a terminal shows of runs, data sets and verdicts."""
