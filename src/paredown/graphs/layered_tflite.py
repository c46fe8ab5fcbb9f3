"""The steps of a layered network as a TF Lite graph: channels last as in Keras, norms folded into what stands before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from paredown.core.errors import Unfit
from paredown.graphs.tflite_writer import Writer

Step = Mapping[str, Any]
Arrays = Mapping[str, Any]
"""What a layer holds, as torch has it: "weight", "bias", ..., and "groups" of a convolution."""

_ACTS = {"relu": "RELU", "relu6": "RELU6", "tanh": "TANH", "sigmoid": "LOGISTIC", "hard_silu": "HARD_SWISH", "exponential": "EXP"}
_FUSED = {"relu": 1, "relu6": 3}
_MERGES = {"add": ("ADD", "Add"), "subtract": ("SUB", "Sub"), "multiply": ("MUL", "Mul")}
_EXTREMES = {"maximum": "MAXIMUM", "minimum": "MINIMUM"}
_SAME, _VALID = 0, 1


def content(steps: Sequence[Step], shapes: Sequence[Sequence[int]], arrays: Mapping[str, Arrays], given: str, answers: str) -> bytes:
    """The file of a network.

    Args:
        steps: As in `modelkit.layered`.
        shapes: Of one item of each value, channels last; the input's first.
        arrays: Layer -> what it holds.
        given, answers: Names of input and output.

    Raises:
        Unfit: A step has no operator of TF Lite; says which.
    """
    return _Network(steps, shapes, arrays).content(given, answers)


class _Network:
    def __init__(self, steps: Sequence[Step], shapes: Sequence[Sequence[int]], arrays: Mapping[str, Arrays]) -> None:
        self.writer, self.steps, self.arrays = Writer(), steps, arrays
        self.shapes = [[-1, *shape] for shape in shapes]
        self.takers: list[list[int]] = [[] for _ in shapes]
        for number, step in enumerate(steps):
            for at in step["of"]:
                self.takers[at].append(number)
        self.values: dict[int, int] = {}
        self.known: dict[int, int] = {}

    def content(self, given: str, answers: str) -> bytes:
        whole = self.steps[0]["op"] == "embedding"
        self.values[0] = self.writer.tensor(given, self.shapes[0], "int32" if whole else "float32")
        for number, step in enumerate(self.steps):
            if number + 1 not in self.values:
                self.values[number + 1] = self.one(number, step)
        last, shape = self.values[len(self.steps)], self.shapes[-1]
        end = self.writer.add("RESHAPE", [last, self.numbers([-1, *shape[1:]])], shape, "Reshape", answers, newShape=[-1, *shape[1:]])
        return self.writer.content(self.values[0], end)

    def one(self, number: int, step: Step) -> int:
        """The result of one step."""
        taken, shape, op = [self.values[at] for at in step["of"]], self.shapes[number + 1], step["op"]
        if op in ("conv", "dense"):
            return self.product(number, step, taken[0])
        if op in _STEPS:
            return _STEPS[op](self, step, taken, shape)
        if op in _MERGES:
            code, kind = _MERGES[op]
            return self.chain(code, taken, shape, kind)
        if op in _EXTREMES:
            return self.chain(_EXTREMES[op], taken, shape, "MaximumMinimum")
        raise Unfit(f"a step {op!r} has no operator of TF Lite here.")

    def numbers(self, values: Sequence[int]) -> int:
        """A constant of whole numbers."""
        return self.writer.held(np.asarray(values, np.int32))

    def floats(self, array: Any) -> int:
        """A constant, written once for each array."""
        if id(array) not in self.known:
            self.known[id(array)] = self.writer.held(np.asarray(array, np.float32))
        return self.known[id(array)]

    def binary(self, code: str, one: int, other: int, shape: Sequence[int]) -> int:
        """ADD, SUB or MUL of two values."""
        return self.writer.add(code, [one, other], shape, code.capitalize())

    def shaped(self, value: int, shape: Sequence[int]) -> int:
        """The same numbers in another shape."""
        return self.writer.add("RESHAPE", [value, self.numbers(shape)], shape, "Reshape", newShape=[*shape])

    def chain(self, code: str, taken: Sequence[int], shape: Sequence[int], kind: str) -> int:
        """A sum, product or extreme of all values."""
        found = taken[0]
        for item in taken[1:]:
            found = self.writer.add(code, [found, item], shape, kind)
        return found if len(taken) > 1 else self.shaped(found, shape)

    def product(self, number: int, step: Step, given: int) -> int:
        """A convolution or a dense layer, with the norm and the rectifier that follow it alone."""
        held, out = self.arrays[step["name"]], number + 1
        weight = np.asarray(held["weight"], np.float32)
        bias = np.zeros(len(weight), np.float32) if held.get("bias") is None else np.asarray(held["bias"], np.float32)
        follow = self.follower(out, "batch_norm")
        if follow is not None:
            gain, shift = _folded(self.arrays[self.steps[follow]["name"]], self.steps[follow])
            weight, bias, out = weight * gain.reshape(-1, *[1] * (weight.ndim - 1)), bias * gain + shift, follow + 1
        fused, follow = 0, self.follower(out, "act")
        if follow is not None and self.steps[follow]["kind"] in _FUSED:
            fused, out = _FUSED[self.steps[follow]["kind"]], follow + 1
        if step["op"] == "dense":
            more: dict[str, Any] = {"keepNumDims": True, "version": 5} if len(self.shapes[out]) > 2 else {}
            operands = [given, self.floats(weight), self.floats(bias)]
            made = self.writer.add("FULLY_CONNECTED", operands, self.shapes[out], "FullyConnected", fusedActivationFunction=fused, **more)
        else:
            made = self.convolved(step, given, self.shapes[step["of"][0]], self.shapes[out], (weight, bias, held["groups"], fused))
        self.values.update(dict.fromkeys(_between(self.steps, number, out), made))
        return made

    def follower(self, value: int, op: str) -> int | None:
        """The only step that takes a value, where it is of this kind."""
        takers = self.takers[value]
        return takers[0] if len(takers) == 1 and self.steps[takers[0]]["op"] == op else None

    def convolved(
        self, step: Step, given: int, taken: Sequence[int], shape: Sequence[int], parts: tuple[np.ndarray, np.ndarray, int, int]
    ) -> int:
        """A convolution of images, or of sequences as images of one line."""
        weight, bias, groups, fused = parts
        line = weight.ndim == 3
        if weight.ndim == 5:
            raise Unfit("a convolution of three axes has no fast operator of TF Lite.")
        if "pads" in step:
            rows = [[0, 0], *step["pads"], [0, 0]]
            taken = [taken[0], *(size + sum(pad) for size, pad in zip(taken[1:-1], step["pads"])), taken[-1]]
            given = self.writer.add("PAD", [given, self.writer.held(np.asarray(rows, np.int32))], taken, "Pad")
        full = [-1, 1, *shape[1:]] if line else [*shape]
        if line:
            given, weight = self.shaped(given, [-1, 1, *taken[1:]]), weight[:, :, None]
        stride, dilation = ([1, *step[key]] if line else [*step[key]] for key in ("stride", "dilation"))
        same = step.get("same") and "pads" not in step
        options = {"padding": _SAME if same else _VALID, "strideH": stride[0], "strideW": stride[1]}
        options |= {"dilationHFactor": dilation[0], "dilationWFactor": dilation[1], "fusedActivationFunction": fused}
        channels = taken[-1]
        if groups > 1 and groups == channels:
            kernel = np.ascontiguousarray(weight[:, 0].transpose(1, 2, 0))[None]
            options |= {"depthMultiplier": len(weight) // channels, "version": 2 if max(dilation) > 1 else 1}
            operands = [given, self.writer.held(kernel), self.writer.held(bias)]
            made = self.writer.add("DEPTHWISE_CONV_2D", operands, full, "DepthwiseConv2D", **options)
        else:
            kernel = np.ascontiguousarray(weight.transpose(0, 2, 3, 1))
            operands = [given, self.writer.held(kernel), self.writer.held(bias)]
            made = self.writer.add("CONV_2D", operands, full, "Conv2D", **options, version=6 if groups > 1 else 1)
        return self.shaped(made, shape) if line else made


def _between(steps: Sequence[Step], number: int, out: int) -> list[int]:
    """The values from a product to the last that was folded into it."""
    found, at = [out], out
    while at != number + 1:
        at = steps[at - 1]["of"][0]
        found.append(at)
    return found


def _folded(norm: Arrays, step: Step) -> tuple[np.ndarray, np.ndarray]:
    """A batch norm as gain and shift."""
    gain = np.asarray(norm["weight"], np.float64) / np.sqrt(np.asarray(norm["running_var"], np.float64) + step["eps"])
    shift = np.asarray(norm["bias"], np.float64) - np.asarray(norm["running_mean"], np.float64) * gain
    return gain.astype(np.float32), shift.astype(np.float32)


def _normed(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    gain, shift = _folded(net.arrays[step["name"]], step)
    return _moved(net, taken[0], gain, shift, shape)


def _moved(net: _Network, value: int, gain: Any, shift: Any, shape: Sequence[int]) -> int:
    """value * gain + shift along the channels."""
    scaled = net.binary("MUL", value, net.writer.held(np.asarray(gain, np.float32)), shape)
    return net.binary("ADD", scaled, net.writer.held(np.asarray(shift, np.float32)), shape)


def _layer_normed(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    held, narrow = net.arrays[step["name"]], [*shape[:-1], 1]
    last = net.numbers([len(shape) - 1])
    mean = net.writer.add("MEAN", [taken[0], last], narrow, "Reducer", keepDims=True)
    far = net.binary("SUB", taken[0], mean, shape)
    spread = net.writer.add("MEAN", [net.binary("MUL", far, far, shape), last], narrow, "Reducer", keepDims=True)
    spread = net.binary("ADD", spread, net.writer.held(np.asarray([step["eps"]], np.float32)), narrow)
    return _moved(net, net.binary("MUL", far, net.writer.add("RSQRT", [spread], narrow), shape), held["weight"], held["bias"], shape)


def _acted(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    kind, number = step["kind"], float(step.get("number", 0.0))
    if kind in _ACTS:
        return net.writer.add(_ACTS[kind], taken, shape)
    if kind == "silu":
        return net.binary("MUL", taken[0], net.writer.add("LOGISTIC", taken, shape), shape)
    if kind in ("gelu", "gelu_tanh"):
        return net.writer.add("GELU", taken, shape, "Gelu", approximate=kind == "gelu_tanh")
    if kind == "leaky_relu":
        return net.writer.add("LEAKY_RELU", taken, shape, "LeakyRelu", alpha=number)
    if kind == "elu" and number == 1:
        return net.writer.add("ELU", taken, shape)
    if kind == "softmax":
        return net.writer.add("SOFTMAX", taken, shape, "Softmax", beta=1.0)
    if kind == "log_softmax":
        return net.writer.add("LOG_SOFTMAX", taken, shape, "LogSoftmax")
    if kind == "hard_sigmoid":
        return _clipped(net, _moved(net, taken[0], [1 / 6], [0.5], shape), 1.0, shape)
    raise Unfit(f"the activation {kind!r} has no operator of TF Lite here.")


def _clipped(net: _Network, value: int, high: float, shape: Sequence[int]) -> int:
    """From 0 to `high`."""
    most = net.writer.held(np.asarray([high], np.float32))
    return net.writer.add("MINIMUM", [net.writer.add("RELU", [value], shape), most], shape, "MaximumMinimum")


def _cut_off(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    if step["low"] or step["number"]:
        raise Unfit("a rectifier with a threshold has no operator of TF Lite here.")
    return net.writer.add("RELU6", taken, shape) if step["high"] == 6 else _clipped(net, taken[0], step["high"], shape)


def _pooled(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    kernel, stride, line = [*step["kernel"]], [*step["stride"]], len(shape) == 3
    if len(shape) == 5:
        raise Unfit("a pool of three axes has no operator of TF Lite here.")
    if line:
        kernel, stride = [1, *kernel], [1, *stride]
    value = net.shaped(taken[0], [-1, 1, *net.shapes[step["of"][0]][1:]]) if line else taken[0]
    options = {"padding": _SAME if step.get("same") else _VALID, "strideH": stride[0], "strideW": stride[1]}
    code = "MAX_POOL_2D" if step["kind"] == "max" else "AVERAGE_POOL_2D"
    full = [-1, 1, *shape[1:]] if line else shape
    made = net.writer.add(code, [value], full, "Pool2D", **options, filterHeight=kernel[0], filterWidth=kernel[1])
    return net.shaped(made, shape) if line else made


def _over_all(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    space = net.numbers([*range(1, len(net.shapes[step["of"][0]]) - 1)])
    code = "REDUCE_MAX" if step["kind"] == "max" else "MEAN"
    return net.writer.add(code, [taken[0], space], shape, "Reducer", keepDims=bool(step["keep"]))


def _padded(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    rows = np.asarray([[0, 0], *step["pads"], [0, 0]], np.int32)
    if step["op"] == "pad":
        return net.writer.add("PAD", [taken[0], net.writer.held(rows)], shape, "Pad")
    return net.writer.add("SLICE", [taken[0], net.numbers(rows[:, 0].tolist()), net.numbers([-1, *shape[1:]])], shape, "Slice")


def _enlarged(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    if len(shape) != 4:
        raise Unfit("only images are enlarged by TF Lite.")
    size = net.numbers([*shape[1:3]])
    if step["kind"] == "nearest":
        return net.writer.add("RESIZE_NEAREST_NEIGHBOR", [taken[0], size], shape, "ResizeNearestNeighbor")
    return net.writer.add("RESIZE_BILINEAR", [taken[0], size], shape, "ResizeBilinear", halfPixelCenters=True, version=3)


def _joined(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    return net.writer.add("CONCATENATION", taken, shape, "Concatenation", axis=step["axis"] % len(shape))


def _averaged(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    whole = net.chain("ADD", taken, shape, "Add")
    return net.binary("MUL", whole, net.writer.held(np.asarray([1 / len(taken)], np.float32)), shape)


def _sloped(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    slope = np.asarray(net.arrays[step["name"]]["weight"], np.float32).reshape([1] * (len(shape) - 2) + [-1])
    return net.writer.add("PRELU", [taken[0], net.writer.held(slope)], shape)


def _paired(net: _Network, step: Step, taken: Sequence[int], shape: Sequence[int]) -> int:
    gain, shift = (-1.0, 1.0) if step["kind"] == "sigmoid" else (0.0, 0.0)
    other = _moved(net, taken[0], [gain], [shift], [-1, 1])
    return net.writer.add("CONCATENATION", [other, taken[0]], shape, "Concatenation", axis=1)


_STEPS: dict[str, Callable[[_Network, Step, Sequence[int], Sequence[int]], int]] = {
    "batch_norm": _normed,
    "layer_norm": _layer_normed,
    "act": _acted,
    "clip": _cut_off,
    "pool": _pooled,
    "global": _over_all,
    "pad": _padded,
    "crop": _padded,
    "upsample": _enlarged,
    "concatenate": _joined,
    "average": _averaged,
    "pair": _paired,
    "dropout": lambda net, step, taken, shape: taken[0],
    "scale": lambda net, step, taken, shape: _moved(net, taken[0], [step["by"]], [step["plus"]], shape),
    "affine": lambda net, step, taken, shape: _moved(
        net, taken[0], net.arrays[step["name"]]["gain"], net.arrays[step["name"]]["shift"], shape
    ),
    "prelu": _sloped,
    "embedding": lambda net, step, taken, shape: net.writer.add(
        "GATHER", [net.floats(net.arrays[step["name"]]["weight"]), taken[0]], shape, "Gather"
    ),
    **dict.fromkeys(("flatten", "reshape", "expand"), lambda net, step, taken, shape: net.shaped(taken[0], [-1, *shape[1:]])),
}
