"""Dataset readers, one kind of source per file."""

NOT_UNITS = (
    "any_source",
    "array_sets",
    "arrow",
    "folders",
    "lines",
    "masked",
    "number_labels",
    "pixels",
    "series",
    "shapes",
    "sources",
    "streams",
    "tables",
)
