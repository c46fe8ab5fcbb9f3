"""TF Lite graphs: read, counted, looked through. No torch here, and no engine."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadModel
from paredown.ground.lazy import need

ENDING = ".tflite"
_MAGIC = b"TFL3"
_SAME = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE", "CAST")
_UNCOUNTED = ("BATCH_MATMUL", "UNIDIRECTIONAL_SEQUENCE_LSTM", "LSTM", "RNN", "UNIDIRECTIONAL_SEQUENCE_RNN", "WHILE", "IF", "CONV_3D")


def graph_of(folder: Path) -> Path:
    """The one graph in a stored folder; its name before the ending is what it answers with."""
    return next(iter(sorted(folder.glob(f"*{ENDING}"))))


def read(path: Path) -> Any:
    """The content of a .tflite file by its schema.

    Raises:
        BadModel: It is none.
        MissingExtra: What reads it is not installed.
    """
    content = path.read_bytes()
    schema = need("ai_edge_litert.schema_py_generated", "looking at a TF Lite model")
    try:
        if content[4:8] != _MAGIC:
            raise ValueError("does not begin as one")
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        if len(model.subgraphs[0].inputs) == 0 or len(model.subgraphs[0].outputs) == 0:
            raise ValueError("has no input or no output")
    except Exception as error:  # the reader of flatbuffers raises what it likes where one is cut short
        said = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise BadModel(f"{path} is not a valid TF Lite model: it {said}.\n  Convert it again; a copy may have been cut short.") from error
    return model


def operators(model: Any) -> list[tuple[str, Any]]:
    """(name as in the schema, or "custom NAME"; operator) in the order in which they run."""
    schema = need("ai_edge_litert.schema_py_generated", "looking at a TF Lite model")
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    custom = [code.customCode for code in model.operatorCodes]
    out = []
    for item in model.subgraphs[0].operators:
        own = custom[item.opcodeIndex]
        out.append((f"custom {_word(own)}" if own else names.get(codes[item.opcodeIndex], "UNKNOWN"), item))
    return out


def _word(text: Any) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def name_of(model: Any, place: int) -> str:
    """A tensor's name."""
    return _word(model.subgraphs[0].tensors[place].name)


def ending(model: Any) -> str:
    """What the answers come from, below what changes but shape or kind of number: "Softmax", "Sigmoid" or another operator's name."""
    made = {int(place): (name, item) for name, item in operators(model) for place in item.outputs}
    found = made.get(int(model.subgraphs[0].outputs[0]))
    while found is not None and found[0] in _SAME:
        found = made.get(int(found[1].inputs[0]))
    return "" if found is None else {"SOFTMAX": "Softmax", "LOGISTIC": "Sigmoid", "FULLY_CONNECTED": "Gemm"}.get(found[0], found[0])


def count(model: Any) -> tuple[int | None, int]:
    """Multiply-adds of one row, None where a kind of operator is not counted, and trained numbers."""
    tensors, work = model.subgraphs[0].tensors, 0
    unknown = any(name in _UNCOUNTED or name.startswith("custom ") for name, _ in operators(model))

    def size(place: int) -> int:
        shape = tensors[place].shape
        return prod(int(each) for each in shape) if shape is not None else 1

    for name, item in operators(model):
        if name in ("CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
            weight = tensors[item.inputs[1]].shape
            per_place = prod(int(each) for each in weight[1:])
            work += (size(item.inputs[2]) if name == "TRANSPOSE_CONV" else size(item.outputs[0])) * per_place
        elif name == "DEPTHWISE_CONV_2D":
            work += size(item.outputs[0]) * prod(int(each) for each in tensors[item.inputs[1]].shape[1:3])
    held = {item.buffer: item for item in tensors if model.buffers[item.buffer].data is not None}
    numbers = sum(prod(int(each) for each in item.shape) for item in held.values() if item.shape is not None and _trained(item))
    return None if unknown else work, numbers


def _trained(tensor: Any) -> bool:
    """Floats, and whole numbers that stand for some."""
    schema = need("ai_edge_litert.schema_py_generated", "looking at a TF Lite model")
    kinds = schema.TensorType
    scaled = tensor.quantization is not None and tensor.quantization.scale is not None and np.size(tensor.quantization.scale) > 0
    return tensor.type in (kinds.FLOAT32, kinds.FLOAT16, kinds.BFLOAT16) or bool(scaled)


def in_8_bits(model: Any) -> bool:
    """Whether weights of a product are whole numbers already."""
    kinds = need("ai_edge_litert.schema_py_generated", "looking at a TF Lite model").TensorType
    tensors = model.subgraphs[0].tensors
    products = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
    return any(tensors[item.inputs[1]].type in (kinds.INT8, kinds.UINT8, kinds.INT4) for name, item in operators(model) if name in products)
