"""Intervals, non-inferiority, noise floor and power: pure standard library."""
