"""What the controller knows about hosts without looking at them: endpoints, and the records of earlier runs."""
