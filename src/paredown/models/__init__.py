"""Where models come from: one file per kind."""

NOT_UNITS = ("feature_extractor", "processor", "keras_file", "keras_layers")
