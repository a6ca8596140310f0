"""Monitoring: who is well. Nothing in here imports pyinfra or gevent: it must run beside them and without."""
