"""A job becomes a released artifact: set-up, trials, confirmation, release, result."""
