"""What would fail on the workers, found before a job is submitted."""
