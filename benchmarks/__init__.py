"""What a run costs, side by side with what it is compared with, in one sitting."""
