"""Real clients against a real server: what they push comes back bit for bit."""
