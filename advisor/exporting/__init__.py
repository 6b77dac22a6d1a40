"""A recommendation as a folder that stands for itself: scripts, weights, numbers, a card."""
