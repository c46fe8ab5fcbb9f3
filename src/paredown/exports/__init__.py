"""Records of energy in the formats of other tools: one file per format."""

NOT_UNITS = ("codecarbon", "records", "sums")
