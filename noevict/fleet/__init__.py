"""The hosts as the controller knows them without a look: where clients go, and what earlier runs recorded."""
