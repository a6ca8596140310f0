"""One host's settings, built once and wholly validated."""
