"""The machine that a server runs on, with any platform: files, packages, addresses, kernel values."""
