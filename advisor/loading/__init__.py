"""Files, names and models that a user names, loaded as Python objects."""
