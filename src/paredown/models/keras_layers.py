"""A Keras model, Functional or Sequential, as the steps of `modelkit.layered`: known layers, one by one, with their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Fill = Callable[[Any], None]
_ACTS = {
    **{name: name for name in ("relu", "relu6", "selu", "silu", "tanh", "sigmoid", "hard_sigmoid", "hard_silu", "softplus", "softsign")},
    **{name: name for name in ("mish", "exponential", "softmax", "log_softmax", "gelu", "elu", "leaky_relu")},
    "swish": "silu",
    "hard_swish": "hard_silu",
}
_NUMBERS = {"leaky_relu": 0.2, "elu": 1.0}
"""What functions of these names take where they are given by name alone."""
_NOTHING = ("ActivityRegularization", "GaussianNoise", "GaussianDropout", "AlphaDropout", "Identity")
"""Layers that change nothing but while training."""
_MERGES = {"Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Maximum": "maximum", "Minimum": "minimum", "Average": "average"}


class Untranslated(Exception):  # an end of the walk, caught where it began
    """A layer, or a way of calling one, that no step stands for; says which."""


class Walk:
    """What is known of a model while its layers are gone through.

    Args:
        keras: The package, with torch as its backend.
        rank: Axes of the input, with the batch.
    """

    def __init__(self, keras: Any, rank: int) -> None:
        self.steps: list[dict[str, Any]] = []
        self.fills: dict[str, Fill] = {}
        """Layer -> what writes the weights into it."""
        self._keras, self._ranks = keras, [rank]

    def add(self, op: str, of: Sequence[int], rank: int = 0, fill: Fill | None = None, **more: Any) -> int:
        """Another step; returns the place of its value."""
        self.steps.append({"op": op, "of": [*of], **more})
        self._ranks.append(rank or self._ranks[of[0]])
        if fill is not None:
            self.fills[more["name"]] = fill
        return len(self.steps)

    def model(self, model: Any, given: Sequence[int], prefix: str = "") -> int:
        """Go through all layers of a model that takes these values; returns the place of its answers.

        Raises:
            Untranslated: One of them is not known, or is called in another way.
        """
        if isinstance(model, self._keras.Sequential):
            (at,) = given
            for layer in model.layers:
                at = self.layer(layer, [at], prefix)
            return at
        config, parts = model.get_config(), {part.name: part for part in model.operations}
        outputs, inputs = _ends(config["output_layers"]), _ends(config["input_layers"])
        if len(outputs) != 1 or len(inputs) != len(given):
            raise Untranslated(f"{model.name} has {len(inputs)} inputs and {len(outputs)} outputs")
        known = {(name, 0): at for (name, *_), at in zip(inputs, given)}
        calls = {entry["name"]: entry["inbound_nodes"] for entry in config["layers"]}
        todo = [(name, number) for name, nodes in calls.items() for number in range(len(nodes))]
        while todo:  # a layer that is called twice stands once, before some of what its second call takes
            later = []
            for name, number in todo:
                tensors, rest = _taken(calls[name][number])
                places = [known.get((source, _number(parts[source], calls[source], node))) for source, node in tensors]
                if None in places:
                    later.append((name, number))
                else:
                    known[name, number] = self._called(parts[name], [at for at in places if at is not None], rest, prefix)
            if len(later) == len(todo):
                raise Untranslated(f"{model.name} has a circle of layers")
            todo = later
        ((name, node, *_),) = outputs
        return known[name, _number(parts[name], calls[name], node)]

    def _called(self, part: Any, given: Sequence[int], rest: Mapping[Any, Any], prefix: str) -> int:
        if isinstance(part, self._keras.layers.Layer):
            more = {key: value for key, value in rest.items() if value is not None and key != "training"}
            if more:
                raise Untranslated(f"{part.name} is called with {', '.join(map(str, more))}")
            return self.layer(part, given, prefix)
        kind = _MERGES.get(type(part).__name__)
        if kind is None or kind == "average":
            raise Untranslated(f"{part.name} is the operation {type(part).__name__}")
        numbers = [value for value in rest.values() if value is not None]
        if not numbers and len(given) == 2:
            return self.add(kind, given, rank=max(self._ranks[at] for at in given))
        if len(numbers) == 1 and type(numbers[0]) in (int, float) and kind in ("add", "multiply", "subtract") and 0 not in rest:
            number = float(numbers[0])
            by, plus = (number, 0.0) if kind == "multiply" else (1.0, -number if kind == "subtract" else number)
            return self.add("scale", given, by=by, plus=plus)
        raise Untranslated(f"{part.name} is called in another way than with two layers or a number")

    def layer(self, layer: Any, given: Sequence[int], prefix: str = "") -> int:
        """One layer, or a model in the place of one."""
        if isinstance(layer, self._keras.Sequential) or type(layer).__name__ == "Functional":
            return self.model(layer, given, f"{prefix}{layer.name}/")
        config, kind = layer.get_config(), type(layer).__name__
        if config.get("data_format") == "channels_first":
            raise Untranslated(f"{layer.name} has its channels first")
        at = self.named(kind, layer, config, given, f"{prefix}{layer.name}".replace(".", "_"))
        return self.act(config.get("activation") if kind != "Activation" else None, at)

    def act(self, activation: Any, at: int) -> int:
        """What follows a layer by its name, or as a layer of its own."""
        if isinstance(activation, Mapping) and activation.get("class_name") not in (None, "function"):
            return self.named(str(activation["class_name"]), None, activation["config"], [at], "")
        name = activation.get("config") if isinstance(activation, Mapping) else activation
        if name in (None, "linear"):
            return at
        if name not in _ACTS:
            raise Untranslated(f"there is an activation {name!r}")
        number: dict[str, Any] = {"number": _NUMBERS[name]} if name in _NUMBERS else {}
        return self.add("act", [at], kind=_ACTS[name], **number)

    def named(self, kind: str, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
        """A layer by the name of its class; `layer` None for one without weights."""
        if kind in _NOTHING or kind.startswith("Random"):
            return given[0]
        if kind in _MERGES:
            return self.add(_MERGES[kind], given)
        if kind.startswith(("MaxPooling", "AveragePooling")):
            same, what = int(config["padding"] == "same"), "max" if kind.startswith("Max") else "mean"
            kernel = [*np.atleast_1d(config["pool_size"]).tolist()]
            stride = [*np.atleast_1d(config["strides"] or config["pool_size"]).tolist()]
            return self.add("pool", given, kind=what, kernel=kernel, stride=stride, same=same)
        if kind.startswith("Global"):
            keep, what = int(bool(config["keepdims"])), "max" if "Max" in kind else "mean"
            return self.add("global", given, rank=0 if keep else 2, kind=what, keep=keep)
        if kind.startswith(("ZeroPadding", "Cropping")):
            pads = config.get("padding", config.get("cropping"))
            return self.add("pad" if "Padding" in kind else "crop", given, pads=[list(pair) for pair in np.atleast_2d(pads).tolist()])
        if kind.startswith("UpSampling"):
            size = [*np.atleast_1d(config["size"]).tolist()]
            return self.add("upsample", given, kernel=size, kind=config.get("interpolation", "nearest"))
        if kind in ("Dropout", "SpatialDropout1D", "SpatialDropout2D"):
            return self.add("dropout", given, number=float(config["rate"]), spatial=int(kind != "Dropout"))
        makers = _PLAIN if layer is None else _PLAIN | _WEIGHED
        if kind not in makers:
            raise Untranslated(f"{name or 'an activation'} is a {kind}")
        return makers[kind](self, layer, config, given, name)

    def last_axis(self, axis: Any, at: int, name: str) -> None:
        """Hold an axis against the last one, which channels stand on."""
        axes = [axis] if isinstance(axis, int) else list(axis or ())
        if axes not in ([-1], [self._ranks[at] - 1]):
            raise Untranslated(f"{name} works along axis {axis}")

    def rank(self, at: int) -> int:
        """Axes of a value, with the batch."""
        return self._ranks[at]


def _ends(layers: Any) -> list[Any]:
    """The inputs or outputs in a configuration: one, a list, or a mapping."""
    if isinstance(layers, Mapping):
        return [end for part in layers.values() for end in _ends(part)]
    return [layers] if layers and isinstance(layers[0], str) else [end for part in layers for end in _ends(part)]


def _number(part: Any, calls: Sequence[Any], node: int) -> int:
    """Which call of a layer is meant; models in the place of layers are counted from 0 or from 1."""
    if len(calls) > 1 and hasattr(part, "operations"):
        raise Untranslated(f"the model {part.name} is called {len(calls)} times")
    return 0 if len(calls) <= 1 else node


def _taken(call: Mapping[str, Any]) -> tuple[list[tuple[str, int]], dict[Any, Any]]:
    """The (layer, call) that a call takes, in order, and its other arguments by place or name."""
    tensors: list[tuple[str, int]] = []

    def look(value: Any) -> bool:
        if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
            name, node, number = value["config"]["keras_history"]
            if number:
                raise Untranslated(f"{name} has several outputs")
            tensors.append((name, node))
            return True
        return isinstance(value, list | tuple) and bool(value) and len([item for item in value if look(item)]) == len(value)

    rest = {key: value for key, value in [*enumerate(call["args"]), *call["kwargs"].items()] if not look(value)}
    return tensors, rest


def _array(variable: Any) -> np.ndarray:
    """A Keras variable as float32."""
    found: np.ndarray = np.asarray(variable.value.detach().to("cpu").float().numpy())
    return found


def _put(made: Any, **arrays: np.ndarray | None) -> None:
    """Write arrays into a torch layer's tensors."""
    import torch

    with torch.no_grad():
        for name, array in arrays.items():
            if array is not None:
                getattr(made, name).copy_(torch.from_numpy(np.ascontiguousarray(array)))


def _conv(walk: Walk, config: Mapping[str, Any], given: Sequence[int], name: str, weight: np.ndarray, bias: Any, **more: Any) -> int:
    """A convolution whose kernel (out, in, ...) lies as torch has it."""
    kernel, dilation = list(weight.shape[2:]), [*np.atleast_1d(config["dilation_rate"]).tolist()]
    pads: dict[str, Any] = {"same": int(config["padding"] == "same")}
    if config["padding"] == "causal":
        pads = {"pads": [[dilation[0] * (kernel[0] - 1), 0]]}
    shift = None if bias is None else _array(bias)

    def fill(made: Any) -> None:
        _put(made[-1] if hasattr(made, "append") else made, weight=weight, bias=shift)

    plain = {"groups": config.get("groups", 1), "stride": [*np.atleast_1d(config["strides"]).tolist()], "dilation": dilation, **more}
    return walk.add(
        "conv", given, fill=fill, name=name, out=int(weight.shape[0]), kernel=kernel, bias=int(bias is not None), **pads, **plain
    )


def _convolution(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    weight = np.moveaxis(_array(layer.kernel), (-1, -2), (0, 1))
    return _conv(walk, config, given, name, weight, layer.bias if config["use_bias"] else None)


def _by_channel(kernel: Any) -> np.ndarray:
    """A kernel (..., in, each) of filters for single channels as (in * each, 1, ...)."""
    found = np.moveaxis(_array(kernel), (-2, -1), (0, 1))
    return found.reshape(-1, 1, *found.shape[2:])


def _depthwise(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    weight, bias = _by_channel(layer.kernel), layer.bias if config["use_bias"] else None
    return _conv(walk, config, given, name, weight, bias, groups=int(layer.kernel.shape[-2]))


def _separable(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    kernel = layer.depthwise_kernel
    at = _conv(walk, config, given, f"{name}/depthwise", _by_channel(kernel), None, groups=int(kernel.shape[-2]))
    weight, ones = np.moveaxis(_array(layer.pointwise_kernel), (-1, -2), (0, 1)), [1] * (layer.pointwise_kernel.value.dim() - 2)
    plain = {"padding": "valid", "strides": ones, "dilation_rate": ones}
    return _conv(walk, plain, [at], name, weight, layer.bias if config["use_bias"] else None)


def _dense(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    weight, bias = _array(layer.kernel).T, _array(layer.bias) if config["use_bias"] else None
    return walk.add(
        "dense",
        given,
        fill=lambda made: _put(made, weight=weight, bias=bias),
        name=name,
        out=int(weight.shape[0]),
        bias=int(bias is not None),
    )


def _batch_norm(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    walk.last_axis(config["axis"], given[0], name)
    if config.get("renorm"):
        raise Untranslated(f"{name} renormalizes")
    found = {
        "weight": _array(layer.gamma) if config["scale"] else None,
        "bias": _array(layer.beta) if config["center"] else None,
        "running_mean": _array(layer.moving_mean),
        "running_var": _array(layer.moving_variance),
    }
    more: dict[str, Any] = {"eps": float(config["epsilon"]), "number": 1.0 - float(config["momentum"])}
    return walk.add("batch_norm", given, fill=lambda made: _put(made, **found), name=name, **more)


def _layer_norm(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    walk.last_axis(config["axis"], given[0], name)
    if config.get("rms_scaling"):
        raise Untranslated(f"{name} scales by the root of the mean square")
    found = {"weight": _array(layer.gamma) if config["scale"] else None, "bias": _array(layer.beta) if config["center"] else None}
    group = {} if type(layer).__name__ == "LayerNormalization" else {"groups": int(config["groups"])}
    more: dict[str, Any] = {"eps": float(config["epsilon"]), **group}
    return walk.add("group_norm" if group else "layer_norm", given, fill=lambda made: _put(made, **found), name=name, **more)


def _prelu(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    alpha = _array(layer.alpha)
    if alpha.size != alpha.shape[-1]:
        raise Untranslated(f"{name} has a slope per place")
    return walk.add("prelu", given, fill=lambda made: _put(made, weight=alpha.ravel()), name=name)


def _embedding(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    if config.get("mask_zero"):
        raise Untranslated(f"{name} masks zeros")
    table, rank = _array(layer.embeddings), walk.rank(given[0]) + 1
    shape = {"rows": int(table.shape[0]), "out": int(table.shape[1])}
    return walk.add("embedding", given, rank=rank, fill=lambda made: _put(made, weight=table), name=name, **shape)


def _affine(walk: Walk, given: Sequence[int], name: str, gain: np.ndarray, shift: np.ndarray) -> int:
    """x * gain + shift, with one number each or one per channel."""
    if gain.size == shift.size == 1:
        return walk.add("scale", given, by=float(gain.ravel()[0]), plus=float(shift.ravel()[0]))
    gain, shift = np.broadcast_arrays(gain.ravel(), shift.ravel())
    return walk.add("affine", given, fill=lambda made: _put(made, gain=np.array(gain), shift=np.array(shift)), name=name)


def _rescaling(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    return _affine(walk, given, name, np.asarray(layer.scale, np.float32), np.asarray(layer.offset, np.float32))


def _normalization(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    if config["axis"] not in (None, (), []):
        walk.last_axis(config["axis"], given[0], name)
    if config.get("invert"):
        raise Untranslated(f"{name} inverts")
    mean, variance = (np.asarray(item.detach().to("cpu") if hasattr(item, "detach") else item, np.float64) for item in _moments(layer))
    gain = 1 / np.maximum(np.sqrt(variance), 1e-7)
    return _affine(walk, given, name, gain.astype(np.float32), (-mean * gain).astype(np.float32))


def _moments(layer: Any) -> tuple[Any, Any]:
    return layer.mean, layer.variance


def _relu(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    high, slope, least = config.get("max_value"), float(config.get("negative_slope") or 0), float(config.get("threshold") or 0)
    if high is None and not least:
        return walk.add("act", given, kind="leaky_relu", number=slope) if slope else walk.add("act", given, kind="relu")
    return walk.add("clip", given, high=1e30 if high is None else float(high), number=slope, low=least)


def _softmax(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    walk.last_axis(config.get("axis", -1), given[0], name)
    return walk.add("act", given, kind="softmax")


def _reshape(walk: Walk, layer: Any, config: Mapping[str, Any], given: Sequence[int], name: str) -> int:
    shape = [int(size) for size in config["target_shape"]]
    if len(shape) == 1:
        return walk.add("flatten", given, rank=2)
    if walk.rank(given[0]) == 2 and set(shape[:-1]) == {1}:
        return walk.add("expand", given, rank=len(shape) + 1, out=len(shape) - 1)
    return walk.add("reshape", given, rank=len(shape) + 1, shape=shape)


Maker = Callable[[Walk, Any, Mapping[str, Any], Sequence[int], str], int]
_PLAIN: dict[str, Maker] = {
    "ReLU": _relu,
    "LeakyReLU": lambda walk, _, config, given, name: walk.add("act", given, kind="leaky_relu", number=float(config["negative_slope"])),
    "ELU": lambda walk, _, config, given, name: walk.add("act", given, kind="elu", number=float(config["alpha"])),
    "Softmax": _softmax,
    "Activation": lambda walk, _, config, given, name: walk.act(config["activation"], given[0]),
    "Flatten": lambda walk, _, config, given, name: walk.add("flatten", given, rank=2) if walk.rank(given[0]) > 2 else given[0],
    "Reshape": _reshape,
    "Concatenate": lambda walk, _, config, given, name: walk.add("concatenate", given, axis=int(config["axis"])),
}
_WEIGHED: dict[str, Maker] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _convolution),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _depthwise),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization"), _layer_norm),
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "PReLU": _prelu,
    "Embedding": _embedding,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
}
