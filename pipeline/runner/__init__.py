"""Starting a graph on an engine, and watching it."""
