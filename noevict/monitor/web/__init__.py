"""The health endpoint, /metrics and the page over HTTP."""
