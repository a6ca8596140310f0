"""The command ``noevict``."""
