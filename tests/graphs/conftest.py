"""What modelkit, training, pruning, graphs and quantizing try their work on."""

from trained_net import images, lowered, store, trained

__all__ = ["images", "lowered", "store", "trained"]
