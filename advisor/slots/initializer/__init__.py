"""What initializer techniques are built on."""
