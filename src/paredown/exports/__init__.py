"""Records of energy in the formats of other tools: one file per format."""

NOT_UNITS = ("checks", "codecarbon", "records", "sums", "texts")
