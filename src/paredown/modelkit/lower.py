"""From tensors to a graph that an engine can run."""

from __future__ import annotations

import inspect
import io
import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Store
from paredown.ground.lazy import need
from paredown.modelkit.blueprint import open_folder, read_blueprint
from paredown.modelkit.graphs import GRAPH, strip


def to_onnx(candidate: Candidate, store: Store, work: Path) -> Candidate:
    """Export a torch candidate as one ONNX file with a free batch dimension and the free axes of its inputs, batch norms folded.

    Args:
        candidate: In torch form.
        work: A scratch folder.

    Returns:
        The candidate in onnx form. Inputs are named as in the blueprint, the output after what it holds, "logits" or "probabilities"; no
        metadata with local paths is left.

    Raises:
        Unfit: The module cannot be exported; says why.
    """
    onnx: Any = need("onnx", "lowering to ONNX")
    need("onnxscript", "lowering to ONNX")
    source = store.folder(candidate.digest)
    module, blueprint = open_folder(source), read_blueprint(source)
    folder = work / "lowered"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / GRAPH
    batch = torch.export.Dim("batch", min=1, max=65536)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                blueprint.example(2),
                str(file),
                dynamo=True,
                input_names=list(blueprint.inputs),
                output_names=[blueprint.answers],
                dynamic_shapes=_by_place(module, [_free(shape, batch) for shape in blueprint.inputs.values()]),
                external_data=False,
                verbose=False,
            )
    except Exception as error:
        origin: BaseException = error
        while origin.__cause__ is not None:  # the exporter's own advice stands around what went wrong
            origin = origin.__cause__
        raise Unfit(f"the module cannot be exported to ONNX: {type(origin).__name__}: {str(origin)[:400]}") from error
    model = onnx.load(file)
    strip(model)
    onnx.save(model, file)
    return Candidate(digest=store.put(folder), form="onnx", parameters=candidate.parameters)


def _free(shape: Sequence[int | str], batch: Any) -> dict[int, Any]:
    """Axis of the input -> how free it is; the batch stands before the item's own axes."""
    return {0: batch} | {at: torch.export.Dim.DYNAMIC for at, axis in enumerate(shape, 1) if isinstance(axis, str)}


def _by_place(module: torch.nn.Module, axes: Sequence[Any]) -> tuple[Any, ...]:
    """What is said of each input, as the exporter wants it: those that `forward(self, *inputs)` gathers stand in a tuple of their own."""
    kinds = [item.kind for item in inspect.signature(module.forward).parameters.values()]
    gathered = inspect.Parameter.VAR_POSITIONAL
    named = kinds.index(gathered) if gathered in kinds else len(axes)
    return (*axes[:named], *([tuple(axes[named:])] if named < len(axes) else []))


LOWERINGS: dict[tuple[str, str], Callable[[Candidate, Store, Path], Candidate]] = {("torch", "onnx"): to_onnx}
