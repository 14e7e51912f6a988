"""Sums of pixels and probabilities in TensorFlow: what Dice is made of."""
