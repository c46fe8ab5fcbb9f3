"""All that a module answers with as one tensor (N, numbers): tuples, mappings and dataclasses, one output after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from paredown.core.errors import BadModel
from paredown.kinds.tensors import spread_of

ROWS = 5
"""Rows that a module is asked."""


def named(answer: Any, name: str = "") -> dict[str, Tensor]:
    """The tensors of an answer by their names, in order: "logits" of a mapping or a dataclass, "0" of a tuple, "0.hidden" of what stands
    inside one; "output" where it is a tensor. What is no tensor is left out."""
    if isinstance(answer, Tensor):
        return {name or "output": answer}
    if isinstance(answer, Mapping):
        inner: list[tuple[str, Any]] = [(str(key), value) for key, value in answer.items()]
    elif is_dataclass(answer):
        inner = [(item.name, getattr(answer, item.name)) for item in fields(answer)]
    elif isinstance(answer, tuple | list):
        inner = list(zip(getattr(answer, "_fields", map(str, range(len(answer)))), answer))
    else:
        return {}
    return {key: value for own, item in inner for key, value in named(item, f"{name}.{own}" if name else own).items()}


def join(module: nn.Module, inputs: Any, answer: Any) -> Tensor:
    """A hook of a module's forward by which it answers with (N, numbers), float32."""
    if isinstance(answer, Tensor) and answer.dim() == 2:
        return answer.float()
    return torch.cat([item.reshape(item.shape[0], -1).float() for item in named(answer).values()], dim=1)


class Scaled:
    """A hook of a module's forward by which it answers in units of the spread of each output.

    Args:
        scales: (numbers, what they are divided by) for each output in order.
    """

    def __init__(self, scales: Sequence[Sequence[float]]) -> None:
        self._by = torch.cat([torch.full((int(size),), float(scale)) for size, scale in scales])

    def __call__(self, module: nn.Module, inputs: Any, answer: Tensor) -> Tensor:
        return answer / self._by


def parts(module: nn.Module, feed: Mapping[str, Any], called: str) -> list[dict[str, Any]]:
    """The outputs of a module as a declaration of outputs -> answers lists them: {"name", "shape", "spread"}.

    Args:
        module: In eval mode.
        feed: Some rows, in the order of its parameters.
        called: What the module is called, for messages.

    Raises:
        BadModel: It does not take the rows, or answers without tensors, or with one whose first axis is not that of the rows.
    """
    rows = {name: torch.from_numpy(array[:ROWS].copy()) for name, array in feed.items()}
    count = len(next(iter(rows.values())))
    with torch.inference_mode():
        try:
            found = named(module(*rows.values()))
        except Exception as error:  # a module raises what it likes
            shapes = ", ".join(f"{name} {tuple(item.shape)} of {str(item.dtype).removeprefix('torch.')}" for name, item in rows.items())
            raise BadModel(
                f"{called} does not take these rows ({shapes}): {type(error).__name__}: {str(error)[:300]}\n"
                "  Arrays are given in the order of the parameters of its forward; floats as float32, whole numbers as int64."
            ) from error
    if not found:
        raise BadModel(f"{called} answers without a tensor.\n  Return a tensor, or a tuple, dict or dataclass of tensors.")
    for name, item in found.items():
        if item.dim() == 0 or len(item) != count:
            raise BadModel(
                f"{called} answers {count} rows with {name!r} of shape {tuple(item.shape)}, whose first axis is not that of the rows.\n"
                "  Return it with rows first, `h.transpose(0, 1)`, or leave it out."
            )
    return [
        {"name": name, "shape": [*item.shape[1:]], "spread": float(f"{spread_of(item.reshape(count, -1).float().numpy()):.6g}")}
        for name, item in found.items()
        if prod(item.shape)
    ]
