"""Text to tokens and back, the same in training, on a server and on a device."""
