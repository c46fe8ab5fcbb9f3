"""Products and norms: what they do to the labels of their operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from paredown.pruning.labels import Labels, aligned, axes


def _lines(trace: Any, layers: Sequence[Tensor], axis: int, keep: Sequence[int] = ()) -> list[Tensor]:
    """The layers that vary along an axis, tied along all others but `keep`."""
    return [
        trace.ties.collapse(layer, [at for at in axes(layer) if at != axis and at not in keep]) for layer in layers if layer.shape[axis] > 1
    ]


def _summed(trace: Any, one: Labels, other: Labels, of_one: list[Tensor], of_other: list[Tensor]) -> tuple[Tensor, ...]:
    """Tie what a product sums along, both as (batch, places)."""
    if (one.fixed and not of_one) or (other.fixed and not of_other):
        trace.ties.pin((*of_one, *of_other), "")
    for labels, lines in ((one, of_one), (other, of_other)):
        trace.ties.pin(labels.sums, "a sum over channels")
        if not labels.fixed:
            trace.read += [line.numpy().ravel() for line in lines]
    return tuple(trace.ties.merge((*of_one, *of_other)))


def _matrices(trace: Any, one: Tensor, other: Tensor) -> Labels:
    """(batch, n, k) x (batch, k, m); the batch may be absent."""
    dims = one.dim()
    first, second = trace.of(one), trace.of(other)
    inner = _summed(
        trace,
        first,
        second,
        [line.transpose(-1, -2) for line in _lines(trace, first.layers, dims - 1, keep=range(dims - 2))],
        _lines(trace, second.layers, dims - 2, keep=range(dims - 2)),
    )
    # labels that differ between the products of a batch too stay or go with the whole product, as a head of attention does
    batch = [trace.ties.collapse(line, [dims - 2]) for line in inner if any(axis < dims - 2 for axis in axes(line))]
    rows = Labels((*[layer for layer in first.layers if layer.shape[-1] == 1], *batch), first.fixed)
    columns = Labels((*[layer for layer in second.layers if layer.shape[-2] == 1], *batch), second.fixed)
    shapes = (*one.shape[:-1], 1), (*other.shape[:-2], 1, other.shape[-1])
    whole: Labels = trace.ties.combine([(rows, shapes[0]), (columns, shapes[1])], dims, "a product with numbers of the inputs")
    return whole


def _multiplied(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    return [_matrices(trace, args[0], args[1])]


def _added(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    product = _matrices(trace, args[1], args[2])
    operands = [(product, made[0].shape), (trace.of(args[0]), args[0].shape)]
    return [trace.ties.combine(operands, made[0].dim(), "a sum with numbers of the inputs")]


def _linear(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    felt, weight = trace.of(args[0]), trace.of(args[1])
    dims = args[0].dim()
    of_felt = [line.reshape(-1) for line in _lines(trace, felt.layers, dims - 1)]
    _summed(trace, felt, weight, of_felt, [layer.reshape(-1) for layer in weight.layers if layer.shape[1] > 1])
    out = [layer.reshape(-1) for layer in weight.layers if layer.shape[0] > 1]
    bias = list(trace.of(given["bias"]).layers) if given.get("bias") is not None else []
    rest = [layer for layer in felt.layers if layer.shape[dims - 1] == 1]
    return [Labels(trace.ties.merge([*rest, *(aligned(layer, dims) for layer in (*out, *bias))]), fixed=True)]


def _of_experts(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    """Rows (n, k), each by the matrix of its expert out of (experts, k, m)."""
    felt, weight = trace.of(args[0]), trace.of(args[1])
    _summed(
        trace,
        felt,
        weight,
        [line.reshape(-1) for line in _lines(trace, felt.layers, 1)],
        [line.reshape(-1) for line in _lines(trace, weight.layers, 1)],
    )
    trace.ties.pin([layer for layer in weight.layers if axes(layer) == [0]], "")
    return [Labels(tuple(line.reshape(1, -1) for line in _lines(trace, weight.layers, 2)), fixed=True)]


def _convolved(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    source, weight = trace.of(args[0]), trace.of(args[1])
    groups, backward = given["groups"], given["transposed"]
    ties, dims = trace.ties, args[0].dim()
    space = [layer for layer in source.layers if any(axis > 1 for axis in axes(layer)) and layer.shape[1] == 1]
    kernel = [layer for layer in weight.layers if axes(layer)[0] > 1]
    ties.pin((*space, *kernel), "")
    taken = [line.reshape(-1) for line in _lines(trace, source.layers, 1)]
    rows, columns = ([line.reshape(-1) for line in _lines(trace, weight.layers, axis)] for axis in (0, 1))
    ins, outs = (rows, columns) if backward else (columns, rows)
    width = args[1].shape[0 if backward else 1]
    each = width // groups if backward else width
    if groups > 1 and each == 1:  # a channel of its own: it goes with all that is made of it
        if backward:
            _summed(trace, source, weight, taken, rows)
            ties.pin(columns, "")
            made_of = [line.repeat_interleave(args[1].shape[1]) for line in rows]
        else:
            made_of = rows
            shared = [line.reshape(groups, -1) for line in rows]
            if taken and shared:
                ties.tie(taken[0][:, None], shared[0])
            else:
                ties.pin((*taken, *shared), "")
            ties.pin(source.sums, "a sum over channels")
    else:
        if groups > 1:  # every part loses as many
            taken = [ties.collapse(line.reshape(groups, -1), [0]).reshape(-1) for line in taken]
            if backward:
                ins = [ties.collapse(line.reshape(groups, -1), [0]).reshape(-1) for line in ins]
                made_of = [line.repeat(groups) for line in outs]
            else:
                made_of = [ties.collapse(line.reshape(groups, -1), [0]).repeat(groups, 1).reshape(-1) for line in outs]
        else:
            made_of = outs
        _summed(trace, source, weight, taken, ins)
    bias = trace.of(args[2]).layers if given.get("bias") is not None else ()
    out = [line.reshape([1, -1] + [1] * (dims - 2)) for line in (*made_of, *bias)]
    batch = [layer for layer in source.layers if axes(layer) == [0]]
    return [Labels(ties.merge([*batch, *out]), fixed=True)]


def _weight_norm(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    """Rows scaled to lengths of their own: a row stays a row, and its length counts all columns."""
    axis = given.get("dim", 0)
    rows = [
        line.reshape([-1 if at == axis else 1 for at in range(args[0].dim())]) for line in _lines(trace, trace.of(args[0]).layers, axis)
    ]
    trace.ties.pin([layer for layer in trace.of(args[0]).layers if layer.shape[axis] == 1], f"a weight norm in {trace.inside}")
    return [Labels(trace.ties.merge([*rows, *trace.of(args[1]).layers])), *(Labels() for _ in made[1:])]


def _batch_norm(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    dims = args[0].dim()
    beside = [trace.of(item) for item in args[1:5] if isinstance(item, Tensor)]
    own = [(Labels(tuple(layer.reshape([1, -1] + [1] * (dims - 2)) for layer in item.layers)), (1, args[0].shape[1])) for item in beside]
    operands = [(trace.of(args[0]), args[0].shape), *((labels, (*shape, *[1] * (dims - 2))) for labels, shape in own)]
    out = trace.ties.combine(operands, dims, "a norm beside it")
    if given.get("training"):
        trace.ties.pin([layer for layer in out.layers if axes(layer) != [1]], f"statistics of a batch in {trace.inside}")
    _named(trace, out, 1)
    return [out, *(Labels(fixed=True) for _ in made[1:])]


def _named(trace: Any, labels: Labels, axis: int) -> None:
    trace.norm_layers += [(trace.inside, layer.reshape(-1)) for layer in labels.layers if axes(layer) == [axis]]


def _layer_norm(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    dims, count = args[0].dim(), len(given["normalized_shape"])
    operands = [(trace.of(item), item.shape) for item in (args[0], given.get("weight"), given.get("bias")) if isinstance(item, Tensor)]
    out = trace.ties.combine(operands, dims, "a norm beside it")
    for layer in out.layers:
        over = [axis for axis in axes(layer) if axis >= dims - count]
        if over and (len(axes(layer)) > 1 or count > 1):
            trace.ties.pin([layer], "a norm over several axes")
        elif over:
            trace.norms.setdefault(trace.step, []).append((layer, over[0]))
            _named(trace, out, over[0])
    return [out, *(Labels(fixed=True) for _ in made[1:])]


def _group_norm(trace: Any, func: Any, args: Any, given: Any, made: Sequence[Tensor]) -> list[Labels]:
    ties, dims, groups = trace.ties, args[0].dim(), given["group"]
    channels = args[0].shape[1]
    lines = [line.reshape(-1) for line in _lines(trace, trace.of(args[0]).layers, 1)]
    lines += [layer for item in (given.get("weight"), given.get("bias")) if item is not None for layer in trace.of(item).layers]
    layers = []
    for line in ties.merge(lines):
        if 1 < groups < channels:
            line = ties.collapse(line.reshape(groups, -1), [0]).repeat(groups, 1).reshape(-1)
        layers.append(line.reshape([1, -1] + [1] * (dims - 2)))
        if groups < channels:
            trace.norms.setdefault(trace.step, []).append((layers[-1], 1))
    ties.pin([layer for layer in trace.of(args[0]).layers if layer.shape[1] == 1 and axes(layer) != [0]], "a norm over groups")
    out = Labels(tuple(layers), fixed=True)
    _named(trace, out, 1)
    return [out, *(Labels(fixed=True) for _ in made[1:])]


RULES: dict[str, Callable[..., list[Labels]]] = {
    **dict.fromkeys(("mm", "bmm"), _multiplied),
    **dict.fromkeys(("addmm", "baddbmm"), _added),
    "linear": _linear,
    "_grouped_mm": _of_experts,
    "convolution": _convolved,
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"), _batch_norm),
    "_weight_norm_interface": _weight_norm,
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
}
