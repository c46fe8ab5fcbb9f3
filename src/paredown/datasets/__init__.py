"""Dataset readers, one kind of source per file."""
