"""What the data is: the tf.Example contract in, the Parquet contract out, errors and records.

Nothing here imports Beam or TensorFlow.
"""
