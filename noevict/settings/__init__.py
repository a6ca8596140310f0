"""One host's settings, built once and validated as a whole."""
