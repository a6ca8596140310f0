"""What noevict/scripts/look_*.sh printed on real hosts, and what their servers reported; see capture.py."""
