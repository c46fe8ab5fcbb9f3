"""Carrying out work orders: JSON in, JSON out."""
