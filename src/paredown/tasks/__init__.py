"""Tasks: what goes into a model and what comes out."""

NOT_UNITS = ("feed", "pictures", "tokens", "whole_numbers")
