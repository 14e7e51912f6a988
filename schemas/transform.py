"""What is in the folder of a transform: the output of tensorflow-transform, or TFX's transform_graph."""

GRAPH = "transform_fn"
"""A SavedModel: raw features in, transformed ones out."""
RAW_METADATA = "metadata"
"""The schema of the raw features; TFX writes it, tensorflow-transform itself does not."""
SCHEMA = "schema.pbtxt"
PARTS = (GRAPH, RAW_METADATA)
"""What decides what a transform does. The schema of the transformed features is in the graph as well."""
