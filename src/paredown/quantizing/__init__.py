"""Graphs in fewer bits: which layers, by what ranges, and what the answers bear."""
