"""What every layer stands on: units by name, documents, digests, the store, seeds."""
