"""Models, artifacts and commands beside each other, without a search; and what was recorded, checked again."""
