"""Publishing what the gate decided: table, JSON, JUnit, Markdown, blessing."""
