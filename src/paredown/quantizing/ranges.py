"""What activations look like on calibration rows: their ends, a sample, and how far they may be cut off. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from paredown.graphs.graph_batch import fixed
from paredown.ground.lazy import need
from paredown.quantizing.eight_bits import in_calls

_VALUES = 1 << 16
"""Values of a tensor that its range is fitted on, at most."""
_VECTORS = 512
"""Vectors along the last axis that are kept of a tensor, at most."""
_MOST_B = 1 << 27
"""Bytes of the tensors of one call, at most."""
_PERCENTILE = 99.99
_STEPS = np.linspace(0.3, 1.0, 29)


@dataclass
class Seen:
    """What was seen of one tensor.

    Args:
        low, high: Ends per channel of the last axis.
        values: A sample of its values, its ends among them.
        vectors: A sample of its vectors along the last axis, (n, channels).
    """

    low: Any = None
    high: Any = None
    values: list[Any] = field(default_factory=list)
    vectors: list[Any] = field(default_factory=list)

    def add(self, array: Any, draw: np.random.Generator, values: int, vectors: int) -> None:
        """Take in one batch."""
        flat = np.asarray(array, np.float32)
        flat = flat.reshape(-1, flat.shape[-1]) if flat.ndim > 1 else flat.reshape(-1, 1)
        if not flat.size:
            return
        low, high = flat.min(axis=0), flat.max(axis=0)
        same = self.low is not None and self.low.shape == low.shape  # an axis that is free is no channel
        if self.low is not None and not same:
            low, high = np.minimum(self.low.min(), low.min())[None], np.maximum(self.high.max(), high.max())[None]
            self.low, self.high, self.vectors = low, high, []
        self.low, self.high = (low, high) if self.low is None else (np.minimum(self.low, low), np.maximum(self.high, high))
        self.values.append(draw.choice(flat.reshape(-1), min(values, flat.size), replace=False) if flat.size > values else flat.reshape(-1))
        self.vectors.append(flat[draw.choice(len(flat), min(vectors, len(flat)), replace=False)])

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return float(self.low.min()), float(self.high.max())


def seen(
    run: Callable[[Any, Sequence[Mapping[str, Any]]], Iterable[Mapping[str, Any]]],
    model: Any,
    tensors: Sequence[str],
    feed: Mapping[str, Any],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Seen]:
    """Run a graph over calibration rows and look at some of its tensors.

    Args:
        run: (model, feeds) -> the answers, feed by feed.
        model: Not modified.
        tensors: Names of tensors of floats.
        feed: Input name -> array of rows.
        progress: Told rows done and rows in all.
    """
    onnx = need("onnx", "looking at activations")
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    outer = {item.name for item in wide.graph.output}
    fed = {item.name for item in wide.graph.input}
    inside = [name for name in tensors if name not in fed]
    wide.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in inside if name not in outer)
    draw, out = np.random.default_rng(0), {name: Seen() for name in tensors}
    batches = in_calls(wide, feed, _batch(run, wide, feed, inside))
    for done, (batch, answers) in enumerate(zip(batches, run(wide, batches)), 1):
        for name, found in out.items():
            found.add(answers[name] if name in answers else batch[name], draw, _VALUES // len(batches) + 1, _VECTORS // len(batches) + 1)
        progress(done, len(batches))
    return out


def fitted(found: Seen, how: str, scale: Any = 1.0) -> tuple[float, float]:
    """The range of a tensor, 0 in it, by "minmax", "percentile" or "error": the one whose 256 steps lose least of a sample, squared.

    Args:
        found: What was seen.
        how: See above.
        scale: What channels are divided by first.
    """
    low, high = min(0.0, float((found.low / scale).min())), max(0.0, float((found.high / scale).max()))
    values = np.concatenate(found.values) if np.ndim(scale) == 0 else (np.concatenate(found.vectors) / scale).reshape(-1)
    if how == "minmax" or low == high:
        return low, high
    if how == "percentile":
        return min(0.0, float(np.percentile(values, 100 - _PERCENTILE))), max(0.0, float(np.percentile(values, _PERCENTILE)))
    values = np.concatenate([values, [low, high]])
    best = min(_STEPS, key=lambda share: lost(values, share * low, share * high))
    high = min(_STEPS, key=lambda share: lost(values, best * low, share * high)) * high
    return min(_STEPS, key=lambda share: lost(values, share * low, high)) * low, high


def lost(values: Any, low: float, high: float) -> float:
    """Mean squared error of values in 256 steps between two ends."""
    return float(np.mean((rounded(values, low, high) - values) ** 2))


def rounded(values: Any, low: float, high: float) -> Any:
    """Values as 8 unsigned bits between two ends hold them."""
    step = max(high - low, 1e-12) / 255
    zero = np.round(-low / step)
    return (np.clip(np.round(values / step) + zero, 0, 255) - zero) * step


def _batch(run: Any, model: Any, feed: Mapping[str, Any], tensors: Sequence[str]) -> int:
    """Rows per call, so that the tensors of a call stay within some memory."""
    (answers,) = run(model, in_calls(model, feed, 1)[:1])
    rows = len(next(iter(feed.values()))) if fixed(model) else 1
    return int(np.clip(_MOST_B * rows // (sum(answers[name].nbytes for name in tensors) or 1), 1, 32))
