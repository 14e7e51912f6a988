"""What the data is: records in, tables out, the config, errors; neither Beam nor TensorFlow is known here."""
