"""What a process may use: its GPU, its threads, its time, its private folder."""
