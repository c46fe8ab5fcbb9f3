"""How windows are measured so that their numbers can be compared."""
