"""Sides that are measured in pairs without a search: what each is, and what it gains."""
