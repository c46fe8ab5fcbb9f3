"""Metrics: how good the answers are."""

NOT_UNITS = ("python",)
