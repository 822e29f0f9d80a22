"""Runs exported models; LiteRT without TensorFlow and without Keras."""
