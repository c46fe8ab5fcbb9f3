"""From the layers of a Keras model, cut or as they came, to a TF Lite graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from paredown.core.candidate import Candidate
from paredown.core.errors import BadData, Unfit
from paredown.core.technique import Store
from paredown.graphs import layered_tflite, tflite
from paredown.ground import registry
from paredown.ground.lazy import need
from paredown.modelkit import layered
from paredown.modelkit.blueprint import open_folder, read_blueprint

_BATCHES = (1, 3)
_CLOSE = 1e-3
"""How far an answer of the graph may be from the module's, as a share of the largest."""


def to_tflite(candidate: Candidate, store: Store, work: Path) -> Candidate:
    """Write a network of known layers as a TF Lite graph with a free batch, batch norms folded.

    It counts as written once it answers two batches as the module does.

    Args:
        candidate: In torch form.
        work: A scratch folder.

    Returns:
        The candidate in tflite form; the file is named after what it answers with.

    Raises:
        Unfit: It did not come from a Keras file, one of its layers has no operator of TF Lite, or the graph answers otherwise.
    """
    need("ai_edge_litert.schema_py_generated", "turning a model into TF Lite form")
    source = store.folder(candidate.digest)
    blueprint = read_blueprint(source)
    if blueprint.factory != layered.FACTORY:
        raise Unfit("only the layers of a Keras file are turned into a TF Lite graph here.")
    module = cast(layered.Layered, open_folder(source))
    (name,), (shape,) = blueprint.inputs, blueprint.inputs.values()
    with torch.no_grad():
        shapes = [[*layered.channels_last(value).shape[1:]] for value in module.values(torch.zeros(1, *cast(Any, shape)))]
    arrays = {key: _held(layer) for key, layer in module.layers.items()}
    folder = work / "lowered"
    folder.mkdir(parents=True, exist_ok=True)
    file = f"{blueprint.answers}{tflite.ENDING}"
    (folder / file).write_bytes(layered_tflite.content(module.steps, shapes, arrays, name, blueprint.answers))
    _refuse_other_answers(module, folder, file, [int(size) for size in shape])
    return Candidate(digest=store.put(folder), form="tflite", parameters=candidate.parameters)


def _held(layer: nn.Module) -> dict[str, Any]:
    """What a layer holds as arrays."""
    inner = layer[-1] if isinstance(layer, nn.Sequential) else layer
    found: dict[str, Any] = {name: value.detach().numpy() for name, value in inner.state_dict().items()}
    return found | {"groups": getattr(inner, "groups", 1)}


def _refuse_other_answers(module: layered.Layered, folder: Path, file: str, shape: list[int]) -> None:
    try:
        session = registry.engines("tflite")[0].open(folder, file, {"threads": 1})
    except (RuntimeError, ValueError) as error:
        raise Unfit(f"litert cannot run the graph of these layers: {' '.join(str(error).split())[:300]}.") from error
    try:
        for size in _BATCHES:
            rows = _made_up(module, size, shape)
            with torch.no_grad():
                goal = module(rows).numpy()
            (found,) = session.run({"input": rows.numpy()}).values()
            far = float(np.abs(found - goal).max()) if found.shape == goal.shape else float("inf")
            if not far <= _CLOSE * max(1.0, float(np.abs(goal).max())):
                raise Unfit(f"the TF Lite graph does not answer a batch of {size} as the module does: it is {far:.2g} apart.")
    except BadData as error:
        raise Unfit(f"{error}") from error
    finally:
        session.close()


def _made_up(module: layered.Layered, size: int, shape: list[int]) -> Tensor:
    """Normal numbers, or rows of the table where the first layer looks up in one."""
    draw = torch.Generator().manual_seed(size)
    if module.steps[0]["op"] == "embedding":
        return torch.randint(0, int(module.steps[0]["rows"]), (size, *shape), generator=draw)
    return torch.randn((size, *shape), generator=draw)
