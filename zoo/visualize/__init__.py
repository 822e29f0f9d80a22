"""Alignments and training curves as pictures."""
