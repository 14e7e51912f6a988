"""From the bytes of one record to a sample: image, mask, lineage."""
