"""The controller's secrets/: passwords, those of each host, the CA."""
