"""From the table `samples` to the tables `classes`, `slices` and what belongs to them."""
