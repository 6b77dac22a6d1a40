"""Training scripts of the user's own: run once to be understood, and whole for each trial."""
