"""The host below a server, whoever runs that: files, packages, addresses, kernel values."""
