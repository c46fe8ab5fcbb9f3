"""Tasks: what goes into a model and what comes out."""

NOT_UNITS = (
    "arrays",
    "audio",
    "declared_feed",
    "feed",
    "finite",
    "graph_columns",
    "images",
    "pictures",
    "spectrograms",
    "tables",
    "texts",
    "tokens",
    "waveforms",
    "whole_numbers",
)
