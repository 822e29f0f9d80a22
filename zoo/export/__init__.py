"""Freezes a trained model into files that others run."""
