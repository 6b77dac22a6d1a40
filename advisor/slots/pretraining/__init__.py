"""What pretraining techniques are built on."""
