"""A TF Lite graph written operator by operator. No torch here, and no engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paredown.ground.lazy import need

_KINDS = {"float32": "FLOAT32", "int32": "INT32"}


class Writer:
    """One graph with one input and one output, whose batch is free."""

    def __init__(self) -> None:
        self._schema = need("ai_edge_litert.schema_py_generated", "writing a TF Lite graph")
        self._graph, self._model = self._schema.SubGraphT(), self._schema.ModelT()
        self._model.version, self._model.subgraphs, self._model.operatorCodes = 3, [self._graph], []
        self._model.buffers = [self._schema.BufferT()]
        self._graph.tensors, self._graph.operators = [], []
        self._codes: dict[tuple[str, int], int] = {}

    def tensor(self, name: str, shape: Sequence[int], kind: str = "float32") -> int:
        """A value that is computed, or given; -1 is a free axis."""
        made = self._schema.TensorT()
        made.name, made.shape, made.shapeSignature = name, [max(1, size) for size in shape], [*shape]
        made.type = getattr(self._schema.TensorType, _KINDS[kind])
        self._graph.tensors.append(made)
        return len(self._graph.tensors) - 1

    def held(self, array: np.ndarray, name: str = "") -> int:
        """A constant, float32 or int32."""
        place = self.tensor(name or f"held_{len(self._graph.tensors)}", array.shape, str(array.dtype))
        tensor, buffer = self._graph.tensors[place], self._schema.BufferT()
        tensor.shapeSignature, tensor.buffer = None, len(self._model.buffers)
        buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        return place

    def add(self, code: str, taken: Sequence[int], shape: Sequence[int], kind: str = "", name: str = "", **options: Any) -> int:
        """An operator; returns the place of its result.

        Args:
            code: As the schema names it, or "custom NAME".
            taken: Places of its operands.
            shape: Of the result, -1 where free.
            kind: The schema's name of its options, as "Conv2D".
            name: Of the result.
            options: Theirs.
        """
        given = self.tensor(name or f"{code.lower()}_{len(self._graph.operators)}", shape)
        made = self._schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self._code(code, int(options.pop("version", 1))), [*taken], [given]
        if kind:
            made.builtinOptionsType = getattr(self._schema.BuiltinOptions, f"{kind}Options")
            made.builtinOptions = getattr(self._schema, f"{kind}OptionsT")(**options)
        self._graph.operators.append(made)
        return given

    def _code(self, code: str, version: int) -> int:
        if (code, version) not in self._codes:
            known, custom = self._schema.OperatorCodeT(), code.removeprefix("custom ")
            known.builtinCode = getattr(self._schema.BuiltinOperator, code) if custom == code else self._schema.BuiltinOperator.CUSTOM
            known.deprecatedBuiltinCode, known.version = min(known.builtinCode, 127), version
            known.customCode = custom if custom != code else None
            self._model.operatorCodes.append(known)
            self._codes[code, version] = len(self._model.operatorCodes) - 1
        return self._codes[code, version]

    def content(self, given: int, answers: int, *, signature: bool = True) -> bytes:
        """The file.

        Args:
            given, answers: Places of input and output.
            signature: False leaves out the names by which some tools feed a graph.
        """
        import flatbuffers

        self._graph.inputs, self._graph.outputs = [given], [answers]
        if signature:
            ends = [self._schema.TensorMapT(), self._schema.TensorMapT()]
            for end, place in zip(ends, (given, answers)):
                end.name, end.tensorIndex = self._graph.tensors[place].name, place
            said = self._schema.SignatureDefT()
            said.signatureKey, said.inputs, said.outputs = "serving_default", ends[:1], ends[1:]
            self._model.signatureDefs = [said]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
