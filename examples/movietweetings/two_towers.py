"""Two towers: what is known of a user, and of a movie, meet in a dot product; beside it each has an offset of its own."""

import torch
from torch import Tensor, nn


class Tower(nn.Module):
    """A table with a row for each name, of which row 0, of names that train never had, stays zero, and a layer above it."""

    def __init__(self, names: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(names + 1, width, padding_idx=0)
        self.offset = nn.Embedding(names + 1, 1, padding_idx=0)
        nn.init.normal_(self.table.weight[1:], std=0.1)
        nn.init.zeros_(self.offset.weight)
        self.layer = nn.Linear(width, width)

    def forward(self, at: Tensor) -> tuple[Tensor, Tensor]:
        known = self.table(at)
        return known + torch.tanh(self.layer(known)), self.offset(at)


class TwoTowers(nn.Module):
    def __init__(self, users: int, movies: int, width: int) -> None:
        super().__init__()
        self.user, self.movie = Tower(users, width), Tower(movies, width)
        self.dropped = nn.Dropout(0.5)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (N, 2), the numbers of user and movie, to ratings (N, 1) in units of their spread."""
        user, its = self.user(rows[:, 0].long())
        movie, own = self.movie(rows[:, 1].long())
        return (self.dropped(user) * movie).sum(dim=1, keepdim=True) + its + own


def build(users: int, movies: int, width: int = 32) -> nn.Module:
    return TwoTowers(users, movies, width)
