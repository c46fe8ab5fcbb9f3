"""Ways to make a model cheaper: one file per technique."""
