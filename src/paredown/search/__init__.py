"""What to try next, when to stop, and which finalists to confirm."""
