"""Activations replaced inside a model."""
