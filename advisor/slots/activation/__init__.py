"""What activation techniques are built on."""
