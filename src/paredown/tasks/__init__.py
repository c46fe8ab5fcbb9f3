"""Tasks: what goes into a model and what comes out."""

NOT_UNITS = ("declared_feed", "feed", "finite", "graph_columns", "pictures", "tokens", "whole_numbers")
