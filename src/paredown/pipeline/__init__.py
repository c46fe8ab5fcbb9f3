"""The story: from a job to a released artifact with its evidence."""
