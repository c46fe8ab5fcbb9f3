"""A network that is described layer by layer, as a torch module: what a Keras file says, with the meaning that Keras gives it.

Images and sequences come with their channels last, as Keras has them, and are held channels first inside, as torch's own layers take them:
so every technique that works on torch modules works on these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from paredown.ground.checks import is_list, is_number, is_one_of, is_record, is_text, is_whole

FACTORY = "paredown.modelkit.layered:build"
Step = Mapping[str, Any]
"""{"op", "of": places of the values it takes, where 0 is the input and step k makes value k + 1; "name" of what holds its weights; ...}."""

_ACTS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "relu": lambda x, _: functional.relu(x),
    "relu6": lambda x, _: functional.relu6(x),
    "leaky_relu": lambda x, slope: functional.leaky_relu(x, slope),
    "elu": lambda x, alpha: functional.elu(x, alpha),
    "selu": lambda x, _: functional.selu(x),
    "silu": lambda x, _: functional.silu(x),
    "gelu": lambda x, _: functional.gelu(x),
    "gelu_tanh": lambda x, _: functional.gelu(x, approximate="tanh"),
    "tanh": lambda x, _: torch.tanh(x),
    "sigmoid": lambda x, _: torch.sigmoid(x),
    "hard_sigmoid": lambda x, _: functional.hardsigmoid(x),
    "hard_silu": lambda x, _: functional.hardswish(x),
    "softplus": lambda x, _: functional.softplus(x),
    "softsign": lambda x, _: functional.softsign(x),
    "mish": lambda x, _: functional.mish(x),
    "exponential": lambda x, _: torch.exp(x),
    "softmax": lambda x, _: functional.softmax(x, 1),
    "log_softmax": lambda x, _: functional.log_softmax(x, 1),
}
"""What `kind` of an "act" may be; `number` is the slope or alpha of those that have one."""

_WITH = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "maximum": torch.maximum, "minimum": torch.minimum}


class Affine(nn.Module):
    """x * gain + shift along the channels, with numbers that are not trained."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("gain", torch.ones(width))
        self.register_buffer("shift", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, (N, C) or (N, C, ...)."""
        shape = (-1, *[1] * (x.dim() - 2))
        return x * self.gain.reshape(shape) + self.shift.reshape(shape)


class Layered(nn.Module):
    """The module of a list of steps.

    Args:
        steps: In order; the last gives the answers.
        shape: Of one item of the input, channels last.
    """

    def __init__(self, steps: Sequence[Step], shape: Sequence[int]) -> None:
        super().__init__()
        self.steps = [dict(step) for step in steps]
        self.layers = nn.ModuleDict()
        self.eval()
        with torch.no_grad():
            self.values(torch.zeros(1, *shape), make=True)
        self.train()

    def forward(self, given: Tensor) -> Tensor:
        """Answers (N, ...) to inputs (N, *shape), channels last both."""
        return channels_last(self.values(given)[-1])

    def values(self, given: Tensor, make: bool = False) -> list[Tensor]:
        """The input and what each step makes of it, channels first all; with `make` layers that are not there are made on the way."""
        values = [channels_first(given)]
        for step in self.steps:
            taken = [values[at] for at in step["of"]]
            if make and step["op"] in _LAYERS and step["name"] not in self.layers:
                self.layers[step["name"]] = _LAYERS[step["op"]](step, taken[0]).eval()
            values.append(self._one(step, taken))
        return values

    def _one(self, step: Step, taken: Sequence[Tensor]) -> Tensor:
        first, op = taken[0], step["op"]
        if op != "embedding" and not first.is_floating_point():
            first, taken = first.float(), [item.float() for item in taken]
        if op in ("dense", "layer_norm"):
            found: Tensor = channels_first(self.layers[step["name"]](channels_last(first)))
            return found
        if op == "embedding":
            return channels_first(self.layers[step["name"]](channels_last(first).long()))
        if op in _LAYERS:
            found = self.layers[step["name"]](first)
            return found
        if op == "dropout":
            kinds = {1: functional.dropout1d, 2: functional.dropout2d} if step["spatial"] else {}
            return kinds.get(first.dim() - 2, functional.dropout)(first, step["number"], self.training)
        return _FREE[op](step, *taken)


def build(steps: Sequence[Step], shape: Sequence[int]) -> nn.Module:
    """The module of a list of steps, with whatever weights torch gives its layers."""
    return Layered(steps, shape)


def channels_first(x: Tensor) -> Tensor:
    """(N, ..., C) as (N, C, ...); a row of numbers stays."""
    return x.movedim(-1, 1) if x.dim() > 2 else x


def channels_last(x: Tensor) -> Tensor:
    """(N, C, ...) as (N, ..., C); a row of numbers stays."""
    return x.movedim(1, -1) if x.dim() > 2 else x


def _pads(step: Step, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Zeros before and after each axis of space, of which "same" has one more after where they cannot be alike."""
    if "pads" in step:
        return [(before, after) for before, after in step["pads"]]
    if not step.get("same"):
        return [(0, 0)] * len(sizes)
    out = []
    for size, kernel, stride, dilation in zip(sizes, step["kernel"], step["stride"], step.get("dilation", [1] * len(sizes))):
        whole = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
        out.append((whole // 2, whole - whole // 2))
    return out


def _flat(pads: Sequence[tuple[int, int]]) -> list[int]:
    """Pads as torch takes them: the last axis first."""
    return [size for pair in reversed(pads) for size in pair]


def _conv(step: Step, x: Tensor) -> nn.Module:
    pads = _pads(step, x.shape[2:])
    alike = all(before == after for before, after in pads)
    made = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(pads) - 1](
        x.shape[1],
        step["out"],
        tuple(step["kernel"]),
        tuple(step["stride"]),
        tuple(before for before, _ in pads) if alike else 0,
        tuple(step["dilation"]),
        groups=step["groups"],
        bias=step["bias"],
    )
    zeros = (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)[len(pads) - 1]
    return made if alike else nn.Sequential(zeros(tuple(_flat(pads)), 0.0), made)


def _norm(step: Step, x: Tensor) -> nn.Module:
    kind = nn.BatchNorm1d if x.dim() < 4 else nn.BatchNorm2d if x.dim() == 4 else nn.BatchNorm3d
    return kind(x.shape[1], eps=step["eps"], momentum=step["number"])


_LAYERS: dict[str, Callable[[Step, Tensor], nn.Module]] = {
    "conv": _conv,
    "dense": lambda step, x: nn.Linear(x.shape[1], step["out"], bias=step["bias"]),
    "batch_norm": _norm,
    "layer_norm": lambda step, x: nn.LayerNorm(x.shape[1], eps=step["eps"]),
    "group_norm": lambda step, x: nn.GroupNorm(step["groups"], x.shape[1], eps=step["eps"]),
    "prelu": lambda step, x: nn.PReLU(x.shape[1]),
    "affine": lambda step, x: Affine(x.shape[1]),
    "embedding": lambda step, x: nn.Embedding(step["rows"], step["out"]),
}
"""Operation -> the layer that holds its weights, for the shape that reaches it."""


def _pool(step: Step, x: Tensor) -> Tensor:
    pads, most = _pads(step, x.shape[2:]), step["kind"] == "max"
    extra = [after - before for before, after in pads]  # one place more after the end is what a window more than fits into has
    if any(more and stride == 1 for more, stride in zip(extra, step["stride"])):
        raise ValueError("windows of an even width take steps of one and go beyond the image")
    more: dict[str, Any] = {"padding": [before for before, _ in pads], "ceil_mode": any(extra)}
    space = x.dim() - 2
    if most:
        return (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[space - 1](x, step["kernel"], step["stride"], **more)
    more["count_include_pad"] = False
    return (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[space - 1](x, step["kernel"], step["stride"], **more)


def _global(step: Step, x: Tensor) -> Tensor:
    space = x.dim() - 2
    if step["kind"] == "max":
        found = x.amax(tuple(range(2, x.dim())), keepdim=True)
    else:
        found = (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d)[space - 1](x, 1)
    return found if step["keep"] else found.flatten(1)


def _act(step: Step, x: Tensor) -> Tensor:
    return _ACTS[step["kind"]](x, step.get("number", 0.0))


def _clipped(step: Step, x: Tensor) -> Tensor:
    """ReLU with a largest value, a slope below, and a threshold that what is below counts from."""
    high, slope, least = step["high"], step["number"], step["low"]
    if least == 0 and slope == 0:
        return functional.relu6(x) if high == 6 else functional.hardtanh(x, 0.0, high)
    return torch.where(x >= least, x.clamp(max=high), slope * (x - least))


def _reshaped(step: Step, x: Tensor) -> Tensor:
    return channels_first(channels_last(x).reshape(x.shape[0], *step["shape"]))


def _joined(step: Step, *parts: Tensor) -> Tensor:
    dims = parts[0].dim()
    axis = step["axis"] % dims
    return torch.cat(parts, 1 if axis == dims - 1 else axis + 1)


def _combined(step: Step, first: Tensor, *rest: Tensor) -> Tensor:
    for item in rest:
        first = _WITH[step["op"]](first, item)
    return first


_FREE: dict[str, Callable[..., Tensor]] = {
    "act": _act,
    "clip": _clipped,
    "pool": _pool,
    "global": _global,
    "pad": lambda step, x: functional.pad(x, _flat(step["pads"])),
    "crop": lambda step, x: functional.pad(x, [-size for size in _flat(step["pads"])]),
    "upsample": lambda step, x: functional.interpolate(x, scale_factor=[float(each) for each in step["kernel"]], mode=step["kind"]),
    "flatten": lambda step, x: channels_last(x).flatten(1),
    "reshape": _reshaped,
    "expand": lambda step, x: x.reshape(*x.shape, *[1] * step["out"]),
    "concatenate": _joined,
    "scale": lambda step, x: x * step["by"] + step["plus"],
    "average": lambda step, *parts: _combined({"op": "add"}, *parts) / len(parts),
    # a probability p of the second of two classes as both, and a logit of it likewise
    "pair": lambda step, x: torch.cat([1 - x, x] if step["kind"] == "sigmoid" else [torch.zeros_like(x), x], 1),
    **dict.fromkeys(_WITH, _combined),
}

_FEW, _WIDTH = is_whole(0, 1 << 16), is_whole(1, 1 << 20)
_SIZES = is_list(_FEW, 0, 4)
_FLAG = is_whole(0, 1)
ARGUMENTS = is_record(
    {
        "shape": is_list(_WIDTH, 1, 4),
        "steps": is_list(
            is_record(
                {"op": is_one_of(*_LAYERS, *_FREE, "dropout"), "of": is_list(is_whole(0, 1 << 16), 1, 64)},
                {
                    "name": is_text,
                    "kind": is_one_of(*_ACTS, "max", "mean", "nearest", "bilinear", "logit"),
                    **dict.fromkeys(("out", "rows", "groups"), is_whole(1, 1 << 26)),
                    **dict.fromkeys(("kernel", "stride", "dilation"), _SIZES),
                    **dict.fromkeys(("bias", "same", "keep", "spatial"), _FLAG),
                    **dict.fromkeys(("eps", "number", "high", "low", "by", "plus"), is_number()),
                    "pads": is_list(is_list(_FEW, 2, 2), 0, 3),
                    "shape": is_list(_WIDTH, 1, 4),
                    "axis": is_whole(-5, 5),
                },
                closed=True,
            ),
            1,
            20_000,
        ),
    },
    closed=True,
)
"""The arguments of `build` that anybody's blueprint may have."""
