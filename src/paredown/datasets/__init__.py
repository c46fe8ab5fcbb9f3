"""Dataset readers, one kind of source per file."""

NOT_UNITS = ("arrow", "folders", "lines", "shapes", "sources", "streams", "tables")
