"""The tensor package: the only place where torch is imported at the top of a file."""
