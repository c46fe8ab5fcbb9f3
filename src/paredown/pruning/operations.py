"""What each kind of operation does to the labels of its operands.

Operations that only move numbers are applied to the labels themselves; those that work place by place tie the labels at each place; a
product ties the labels along which it sums. Anything else pins what reaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from paredown.pruning import products
from paredown.pruning.labels import FREE, Labels, aligned, axes, compress

_ATEN = torch.ops.aten
CONSTANT = {
    getattr(_ATEN, name)
    for name in ("zeros_like", "ones_like", "empty_like", "full_like", "new_zeros", "new_ones", "new_empty", "new_full", "scalar_tensor")
}
_MOVES = {
    "view", "_unsafe_view", "reshape", "_reshape_alias", "permute", "transpose", "t", "expand", "squeeze", "unsqueeze", "slice",
    "select", "split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk", "unbind", "unfold",
    "im2col", "roll", "flip", "rot90", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle", "repeat",
    "diagonal", "narrow", "movedim", "alias", "detach", "lift_fresh", "lift_fresh_copy", "index_select", "gather",
    "take_along_dim", "view_as_real", "view_as_complex", "repeat_interleave", "squeeze_", "unsqueeze_",
    "transpose_", "t_",
}  # fmt: skip
_PLACES = {
    "_to_copy", "clone", "copy", "copy_", "masked_fill", "masked_fill_", "where", "fill", "fill_", "dropout", "gelu", "silu",
    "hardswish", "contiguous", "to", "hardtanh", "elu", "prelu", "_prelu_kernel", "leaky_relu", "celu", "selu", "softplus",
    "mish", "threshold", "hardsigmoid", "log_sigmoid_forward", "rrelu", "native_dropout", "tril", "triu", "tril_", "triu_",
}  # fmt: skip
_ALONG = {
    "_softmax": 1,
    "_log_softmax": 1,
    "cumsum": 1,
    "cumprod": 1,
    "sort": 1,
    "argsort": 1,
    "topk": 2,
    "logcumsumexp": 1,
    "_safe_softmax": 1,
}
_MEANS = ("mean", "var", "var_mean", "std", "std_mean", "linalg_vector_norm", "norm")
_EXTREMES = ("sum", "nansum", "amax", "amin", "max", "min", "argmax", "argmin", "logsumexp", "any", "all", "prod", "median")
_POOLS = ("avg_pool", "max_pool", "adaptive_avg_pool", "adaptive_max_pool", "upsample", "reflection_pad", "replication_pad", "grid_sampler")


def follow(trace: Any, func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> list[Labels]:
    """The labels of each tensor that an operation made.

    Args:
        trace: The run it belongs to.
        func: The operation.
        out: What it gave.
    """
    name = func.overloadpacket.__name__
    made = [item for item in tree_leaves(out) if isinstance(item, Tensor)]
    given = {argument.name: value for argument, value in zip(func._schema.arguments, args)} | kwargs
    rule = _RULES.get(name)
    if rule is None and any(name.removeprefix("_").startswith(kind) for kind in _POOLS):
        rule = _pool
    if rule is None and (name in _PLACES or torch.Tag.pointwise in func.tags):
        rule = _place_by_place
    if func.overloadpacket in CONSTANT:
        return [Labels() for _ in made]
    try:
        found = (rule or _unknown)(trace, func, args, given, made)
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError):
        found = _unknown(trace, func, args, given, made)
    return [replace(labels, layers=tuple(item for item in labels.layers if axes(item))) for labels in found]


def _operands(trace: Any, args: Any) -> list[tuple[Labels, torch.Size]]:
    return [(trace.of(item), item.shape) for item in tree_leaves(args) if isinstance(item, Tensor)]


def _why(trace: Any, what: str) -> str:
    return f"{what} in {trace.inside}" if trace.inside else what


def _unknown(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    for labels, _ in _operands(trace, (args, given)):
        trace.ties.pin((*labels.layers, *labels.sums), _why(trace, func.overloadpacket.__name__.strip("_")))
    return [Labels(fixed=True) for _ in made]


def _place_by_place(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    operands = _operands(trace, given)
    out = trace.ties.combine(operands, made[0].dim(), _why(trace, "numbers of the inputs beside it"))
    target = args[0] if isinstance(args[0], Tensor) else None
    if target is not None and made[0] is target and target._is_view():
        before = trace.of(target)
        if len(before.layers) < len(out.layers):  # what it is a view of is not told
            trace.ties.pin(out.layers, _why(trace, "numbers written into a part"))
    return [out] * len(made)


def _applied(func: Any, layer: Tensor, shape: torch.Size, rest: Sequence[Any], more: dict[str, Any]) -> list[Tensor]:
    """The same operation on labels; what it fills in is FREE."""
    whole = (layer - FREE).expand(shape)
    if func.overloadpacket in (_ATEN.view, _ATEN._unsafe_view):  # labels lie in memory otherwise than the numbers
        func = _ATEN.reshape
    try:
        out = func(whole, *rest, **more)
    except (RuntimeError, NotImplementedError):
        out = func(whole.double(), *rest, **more)
    return [compress(item.long() + FREE) for item in tree_leaves(out)]


def _moved(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    name = func.overloadpacket.__name__
    source, *rest = args
    more = {key: value for key, value in given.items() if key not in {item.name for item in func._schema.arguments[: len(args)]}}
    known, shape = trace.of(source), trace.before
    found: list[list[Tensor]] = [[] for _ in made]
    for layer in known.layers:
        for labels, out in zip(_applied(func, layer, shape, rest, more), found):
            out.append(labels)
            if len(axes(labels)) > len(axes(layer)):
                trace.ties.rectangular(labels)
        _cut_evenly(trace, name, layer, given, made)
    return [Labels(trace.ties.merge(layers), known.fixed, known.sums) for layers in found]


def _restrided(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    """Another shape for the same numbers where only axes of size 1 come or go, as after some pools."""
    known, before, after = trace.of(args[0]), trace.before, made[0].shape
    if [size for size in before if size > 1] != [size for size in after if size > 1]:
        return _unknown(trace, func, args, given, made)
    return [replace(known, layers=tuple(compress(layer.expand(before).reshape(after)) for layer in known.layers))]


def _cut_evenly(trace: Any, name: str, layer: Tensor, given: Any, made: Sequence[Tensor]) -> None:
    """Parts of one size along labels keep one size."""
    dim = given.get("dim", 0)
    if name not in ("slice", "split", "split_with_sizes", "unsafe_split", "unsafe_chunk", "select", "unbind", "narrow") or not layer.dim():
        return
    size = layer.shape[dim]
    if size == 1:
        return
    if name in ("select", "unbind"):
        if len(axes(layer)) == 1:
            trace.ties.pin([layer], _why(trace, "one place taken by its number"))
        return
    parts = {item.shape[dim] for item in made}
    part = max(parts)
    if 1 < part < size and size % part == 0 and (name != "slice" or (given.get("start") or 0) % part == 0):
        trace.ties.rectangular(layer.movedim(dim, 0).reshape(size // part, part, -1))


def _padded(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    known, pads, dims = trace.of(args[0]), given["pad"], args[0].dim()
    filled = trace.ties.pinned(_why(trace, "channels filled in"))
    layers = []
    for layer in known.layers:
        for at in range(len(pads) // 2):
            axis = dims - 1 - at
            if layer.shape[axis] > 1:
                layer = torch.nn.functional.pad(layer, [0] * (2 * at) + list(pads[2 * at : 2 * at + 2]), value=filled)
        layers.append(layer)
    return [replace(known, layers=tuple(layers))]


def _joined(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    """Tensors side by side: offsets along the axis, ties along all others."""
    stacked = func.overloadpacket.__name__ == "stack"
    parts = [item for item in given["tensors"] if stacked or item.numel()]
    dims, axis = made[0].dim(), given.get("dim", 0) % made[0].dim()
    known = [trace.of(item) for item in parts]
    shapes = [torch.Size((*item.shape[:axis], 1, *item.shape[axis:])) if stacked else item.shape for item in parts]
    layers = [[layer.unsqueeze(axis) if stacked else layer for layer in item.layers] for item in known]
    sizes = [torch.Size(1 if at == axis else size for at, size in enumerate(shape)) for shape in shapes]
    along = [next((layer for layer in own if layer.shape[axis] > 1), None) for own in layers]
    across = [
        Labels(tuple(layer for layer in own if layer.shape[axis] == 1), item.fixed and (line is None or len(axes(line)) == 1))
        for own, item, line in zip(layers, known, along)
    ]
    out = list(trace.ties.combine(list(zip(across, sizes)), dims, _why(trace, "numbers of the inputs beside it")).layers)
    wide = [max((layer.shape[at] for layer in along if layer is not None), default=1) for at in range(dims)]
    if any(layer is not None for layer in along):
        pieces = []
        for line, own, item, shape in zip(along, layers, known, shapes):
            if line is None:  # all of it is one place of the other axes, as of heads; or it is no channel at all
                line = next((layer for layer in own if any(wide[at] > 1 for at in axes(layer))), None)
            if line is None:
                line = torch.full([1] * dims, trace.ties.pinned("") if item.fixed else FREE)
            pieces.append(line.expand([shape[axis] if at == axis else size for at, size in enumerate(wide)]))
        out.append(compress(torch.cat(pieces, axis)))
    sums = tuple(entry for item in known for entry in item.sums)
    return [Labels(trace.ties.merge(out), any(item.fixed for item in known), sums)]


def _indexed(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    known, places = trace.of(args[0]), args[1]
    told = [trace.of(item) for item in places if item is not None]
    found = []
    for layer in known.layers:
        (labels,) = _applied(func, layer, args[0].shape, args[1:], {})
        by_data = any(item.fixed or item.layers for item in told)
        if by_data and any(place is not None and at < layer.dim() and layer.shape[at] > 1 for at, place in enumerate(places)):
            trace.ties.pin([layer], _why(trace, "places chosen by the inputs"))
        found.append(labels)
    for item in told:
        trace.ties.pin(item.layers, _why(trace, "places"))
    return [Labels(trace.ties.merge(found), known.fixed or any(item.fixed for item in told), known.sums)]


def _gathered(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    axis, places = given["dim"], trace.of(given["index"])
    known = trace.of(args[0])
    found = [_applied(func, layer, args[0].shape, args[1:], {})[0] for layer in known.layers]
    if places.fixed or places.layers:
        trace.ties.pin([layer for layer in known.layers if layer.shape[axis] > 1], _why(trace, "places chosen by the inputs"))
        trace.ties.pin(places.layers, _why(trace, "places"))
    return [Labels(trace.ties.merge(found), known.fixed or places.fixed, known.sums)]


def _looked_up(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    table, places = trace.of(args[0]), args[1]
    trace.looked_up(args[0], places)
    trace.ties.pin([layer for layer in table.layers if layer.shape[0] > 1], "")
    trace.ties.pin(trace.of(places).layers, _why(trace, "places"))
    layers = [aligned(layer.reshape(-1), made[0].dim()) for layer in table.layers if layer.shape[0] == 1]
    return [Labels(tuple(layers), fixed=True)]


def _dims(given: Any, dims: int) -> list[int]:
    asked = given.get("dim")
    asked = list(range(dims)) if asked is None or asked == [] else [asked] if isinstance(asked, int) else list(asked)
    return sorted(axis % dims for axis in asked)


def _reduced(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    name, source = func.overloadpacket.__name__, args[0]
    known, over = trace.of(source), _dims(given, source.dim())
    sums, layers = list(known.sums), []
    for layer in known.layers:
        met = [axis for axis in axes(layer) if axis in over]
        if met and (name not in _MEANS or len(met) > 1):
            trace.ties.pin([layer], _why(trace, name))
        elif met and len(axes(layer)) > 1:
            layer = trace.ties.collapse(layer, met)
        elif met:
            sums.append(layer.flatten())
            trace.norms.setdefault(trace.step, []).append((layer, met[0]))
        for axis in over:
            layer = layer.narrow(axis, 0, 1)
        if not given.get("keepdim", False):
            layer = layer.squeeze(over)
        layers.append(layer)
    return [Labels(tuple(layers), known.fixed, tuple(sums))] * len(made)


def _along(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    name, known = func.overloadpacket.__name__, trace.of(args[0])
    axis = given.get("dim", -1)
    trace.ties.pin([layer for layer in known.layers if layer.shape[axis] > 1], _why(trace, name.strip("_")))
    return [replace(known, layers=tuple(layer for layer in known.layers if layer.shape[axis] == 1))] * len(made)


def _pool(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    name, known = func.overloadpacket.__name__, trace.of(args[0])
    space = next((number for number in (1, 2, 3) if f"{number}d" in name), 2)
    inner = [layer for layer in known.layers if all(axis < args[0].dim() - space for axis in axes(layer))]
    trace.ties.pin([layer for layer in known.layers if not any(layer is item for item in inner)], _why(trace, name.strip("_")))
    for labels, _ in _operands(trace, args[1:]):
        trace.ties.pin(labels.layers, _why(trace, name))
    return [replace(known, layers=tuple(inner), fixed=True)] * len(made)


def _gated(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    known, axis = trace.of(args[0]), given.get("dim", -1)
    layers = []
    for layer in known.layers:
        if layer.shape[axis] > 1:
            one, other = layer.chunk(2, axis)
            trace.ties.tie(one, other)
            layer = one
        layers.append(layer)
    return [replace(known, layers=tuple(layers))]


_RULES: dict[str, Callable[..., list[Labels]]] = {
    **dict.fromkeys(_MOVES, _moved),
    **dict.fromkeys(_ALONG, _along),
    **dict.fromkeys((*_MEANS, *_EXTREMES), _reduced),
    "constant_pad_nd": _padded, "cat": _joined, "stack": _joined, "index": _indexed, "gather": _gathered, "embedding": _looked_up,
    "glu": _gated, "as_strided": _restrided, "as_strided_": _restrided,
    **products.RULES,
}  # fmt: skip
