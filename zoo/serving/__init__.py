"""Puts exported models behind a server."""
