"""Readers for each kind of file."""
