"""Tasks: what goes into a model and what comes out."""

NOT_UNITS = (
    "arrays",
    "declared_feed",
    "feed",
    "finite",
    "graph_columns",
    "images",
    "pictures",
    "tables",
    "texts",
    "tokens",
    "whole_numbers",
)
