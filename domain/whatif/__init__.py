"""What if: the figures of goals as they would be, had some facts not been or were they judged otherwise."""
