"""How surprised the model is by the right answer."""

from __future__ import annotations

import numpy as np

from paredown.core.task import Metric

_LEAST = float(np.finfo(np.float64).eps)


class Loss(Metric):
    """Mean negative log likelihood in nats: 0 sure and right, larger is worse.

    loss = mean_i -ln p_i(y_i), with p clipped to 2.2e-16 from below, so that one sure wrong answer costs 36 nats and not infinity.
    Source: the definition of scikit-learn's `log_loss`, which clips at the same value for float64.
    """

    better = "lower"
    unit = "nat"
    bounded = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean, in nats."""
        return float(self.per_item(targets, answers).mean())

    def per_item(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Nats per row, shape (N,)."""
        picked = answers[np.arange(len(targets)), targets].astype(np.float64)
        nats: np.ndarray = -np.log(np.clip(picked, _LEAST, 1.0))
        return nats

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The entropy of the class shares: the least loss of a model that looks at nothing."""
        shares = np.bincount(targets, minlength=outputs) / len(targets)
        shares = shares[shares > 0]
        return float(-(shares * np.log(shares)).sum())
