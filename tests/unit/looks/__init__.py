"""What noevict/scripts/look.sh printed on real hosts, and what their servers told; see capture.py, which made them."""
