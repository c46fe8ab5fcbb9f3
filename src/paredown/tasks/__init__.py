"""Tasks: what goes into a model and what comes out."""

NOT_UNITS = ("arrays", "audio", "finite", "graph_columns", "images", "tables", "texts", "whole_numbers")
