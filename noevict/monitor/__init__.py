"""Monitoring: which hosts are well. Nothing here imports pyinfra or gevent: it has to run with and without them."""
