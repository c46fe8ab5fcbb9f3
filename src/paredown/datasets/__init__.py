"""Dataset readers, one kind of source per file."""

NOT_UNITS = ("arrow", "folders", "lines", "masked", "pixels", "shapes", "sources", "streams", "tables")
