"""The evidence folder and the checks on it: standard library only."""
