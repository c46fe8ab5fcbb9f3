"""LiteRT, once TF Lite, on the CPU."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.runtime import Host, Runtime, Session, cannot_answer
from paredown.core.technique import Store
from paredown.encoders.declared_feed import interpreted
from paredown.ground.lazy import missing, need


class Litert(Runtime):
    """LiteRT, once TF Lite, on the CPU: for .tflite files, fp32 and int8 with weights or all of it in 8 bits."""

    form: ClassVar[str] = "tflite"
    package: ClassVar[str] = "ai-edge-litert"
    extra: ClassVar[str] = "litert"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    use_when: ClassVar[str] = "the model is a .tflite file, or has to run where phones and small boards have LiteRT already."

    def ready(self, host: Host) -> str | None:
        """Ready wherever the package is installed."""
        return missing("ai_edge_litert", "the runtime litert")

    def export(self, candidate: Candidate, store: Store, folder: Path) -> dict[str, Any]:
        """Copy the graph and count it; its file is named after what it answers with.

        Raises:
            Unfit: The engine cannot run it: an operator of somebody's own, or none that it knows.
        """
        graphs: Any = need("paredown.graphs.tflite", "packing a TF Lite graph")
        source = graphs.graph_of(store.folder(candidate.digest))
        shutil.copyfile(source, folder / source.name)
        products, numbers = graphs.count(graphs.read(source))
        try:
            self.open(folder, source.name, {"threads": 1})
        except (ValueError, RuntimeError) as error:
            raise Unfit(f"litert cannot run this graph: {' '.join(str(error).split())[:300]}.") from error
        return {
            "file": source.name,
            "inputs": ["input"],
            "outputs": [source.stem],
            "multiply_adds": products,
            "parameters": candidate.parameters or numbers,
        }

    def open(self, folder: Path, file: str, placement: Mapping[str, Any]) -> Session:
        """Load a graph for one call at a time."""
        interpreter = need("ai_edge_litert.interpreter", "the runtime litert")
        model = interpreter.Interpreter(str(folder / file), num_threads=int(placement.get("threads", 1)))
        return _Graph(model, Path(file).stem)

    def version(self) -> str:
        """The installed version."""
        return metadata.version("ai-edge-litert")


class _Graph(Session):
    def __init__(self, model: Any, output: str) -> None:
        self._answers, self._output = interpreted(model), output

    def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {self._output: self._answers(feed)}
        except (RuntimeError, ValueError, TypeError) as error:
            raise cannot_answer("litert", error) from error

    def close(self) -> None:
        del self._answers
