"""What embedding techniques are built on."""
