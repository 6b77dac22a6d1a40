"""Trainings of one structure as one batched computation, with the numbers that each has alone."""
