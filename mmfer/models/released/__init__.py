"""Reading the weights that others released."""
