"""Rows on disk, in blocks that are read when asked."""
