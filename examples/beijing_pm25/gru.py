"""A recurrent network for windows of a series: gated recurrent units (Cho et al. 2014, arXiv:1406.1078), 0.06 M parameters."""

from __future__ import annotations

from torch import Tensor, nn


class Forecaster(nn.Module):
    """What two layers of GRU know after the last step, then one linear layer.

    Args:
        columns: Numbers per step.
        hidden: Units per layer.
        outputs: Numbers that are forecast.
    """

    def __init__(self, columns: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.gru = nn.GRU(columns, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, windows: Tensor) -> Tensor:
        """(N, steps, columns) -> (N, outputs)."""
        states, _ = self.gru(windows)
        found: Tensor = self.head(states[:, -1])
        return found


def build(columns: int = 14, hidden: int = 96, outputs: int = 3) -> nn.Module:
    """The network of this job: seven columns of weather and the past of pm2.5, of which words take one number each.

    Args:
        columns: Numbers per step, after encoding.
        hidden: Units per layer.
        outputs: Numbers that are forecast.
    """
    return Forecaster(columns, hidden, outputs)
