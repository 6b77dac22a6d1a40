"""What a worker imports: a study by reference, opened once, and the work of one job. No Optuna."""
