"""Kinds of answers: what one row of a model's output means, how it is decoded, and how far two answers differ."""
