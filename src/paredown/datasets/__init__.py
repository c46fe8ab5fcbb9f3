"""Dataset readers, one kind of source per file."""

NOT_UNITS = ("arrow", "lines", "shapes", "sources", "streams", "tables")
