"""The controller's secrets/: passwords, also for each host, and the CA."""
