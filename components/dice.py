"""Dice."""

from components.overlap import Overlap, overlap

__all__ = ["Overlap", "overlap"]
