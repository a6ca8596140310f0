"""A server of the distribution's package, run by systemd (or the init script). Pure."""
