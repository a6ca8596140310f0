"""What noevict/scripts/look_*.sh printed on real hosts, and what their servers told; see capture.py, which made them."""
