"""Metrics: how good the answers are."""

NOT_UNITS = ("python", "one_vs_rest", "overlaps", "parts", "ranked", "retrieved")
