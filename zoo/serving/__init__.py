"""Models behind TensorFlow Serving's API: a client of it, and a server that speaks it."""
