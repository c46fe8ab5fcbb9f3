"""A folder that answers: packed, loaded, run."""
