"""A swap written down: as a recipe, and as a diff of the user's file."""
