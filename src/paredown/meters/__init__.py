"""Instruments around a window of work, and facts about an artifact: one file per unit."""

NOT_UNITS = ("every",)
