"""What comes back, and what it is worth."""
