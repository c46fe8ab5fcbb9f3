"""Raw inputs to a model's feed, free of all but numpy; copied into an artifact's predict.py."""
