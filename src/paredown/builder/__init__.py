"""From a recipe to a packed artifact: order, shared prefixes, lowering, limits."""
