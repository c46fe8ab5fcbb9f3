"""Engines: one file per runtime."""
