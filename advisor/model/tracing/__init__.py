"""One recorded forward pass: what a model is made of."""
