"""What the rest stands on; nothing is imported here, so that tools can catch Ctrl-C before PyTorch is there."""
