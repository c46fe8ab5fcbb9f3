"""Tasks: what goes into a model and what comes out."""

NOT_UNITS = ("feed", "finite", "pictures", "tokens")
