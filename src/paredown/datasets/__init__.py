"""Dataset readers, one kind of source per file."""

NOT_UNITS = ("any_source", "arrow", "folders", "lines", "number_labels", "series", "shapes", "sources", "streams", "tables")
