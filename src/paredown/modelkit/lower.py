"""From tensors to a graph that an engine can run."""

from __future__ import annotations

import inspect
import io
import logging
import re
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from paredown.core.candidate import Candidate
from paredown.core.errors import ParedownError, Unfit
from paredown.core.technique import Store
from paredown.graphs import graph_asked, graph_batch
from paredown.graphs.graphs import GRAPH, TOKENS, keep_pads, strip
from paredown.ground.lazy import need
from paredown.ground.user_code import is_own_file
from paredown.modelkit.blueprint import Blueprint, open_folder, read_blueprint
from paredown.modelkit.lower_tflite import to_tflite

_BATCHES = (1, 3)
_CLOSE = 1e-3
"""How far an answer of the graph may be from the module's, as a share of the largest."""
_FIXED = re.compile(r"inferred a static shape of (\d+) for dimension inputs\['(\w+)'\]\.shape\[(\d+)\]")
"""How the exporter says that an axis which was asked to be free is a number in the code."""


def to_onnx(candidate: Candidate, store: Store, work: Path) -> Candidate:
    """Export a torch candidate as one ONNX file with a free batch dimension and the free axes of its inputs, batch norms folded.

    It counts as exported once it answers two batches as the module does. Where the first way fixes the batch, as `len(x)` in a forward
    makes it do, the module's code itself is traced.

    Args:
        candidate: In torch form.
        work: A scratch folder.

    Returns:
        The candidate in onnx form. Inputs are named as in the blueprint, the output after what it holds, "logits" or "probabilities"; no
        metadata with local paths is left.

    Raises:
        Unfit: The module cannot be exported, or only for one batch; says why, and which line of it makes the batch a constant.
    """
    onnx: Any = need("onnx", "lowering to ONNX")
    need("onnxscript", "lowering to ONNX")
    source = store.folder(candidate.digest)
    module, blueprint = open_folder(source), read_blueprint(source)
    _experts_by_products(module)
    folder = work / "lowered"
    folder.mkdir(parents=True, exist_ok=True)
    file, first, exported = folder / GRAPH, "", False
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    for way in (_by_running, _by_running_plainly, _by_its_code):
        try:
            with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                way(module, blueprint, file)
        except Exception as error:
            origin: BaseException = error
            while origin.__cause__ is not None:  # the exporter's own advice stands around what went wrong
                origin = origin.__cause__
            first = first or _in_words(origin)
            continue
        exported = True
        model = onnx.load(file)
        strip(model)
        keep_pads(model)
        onnx.save(model, file)
        if _answers_alike(module, blueprint, model, folder):
            return Candidate(digest=store.put(folder), form="onnx", parameters=candidate.parameters)
    if not exported:
        raise Unfit(f"the module cannot be exported to ONNX: {first}")
    raise Unfit(f"the exported graph does not answer batches of 1 and 3 as the module does{_constant_batch(module, blueprint)}.")


def _experts_by_products(module: nn.Module) -> None:
    """Have transformers compute experts by plain products: its own kernel for them is known to no exporter."""
    for part in module.modules():
        if getattr(part, "_can_set_experts_implementation", lambda: False)():
            cast(Any, part).set_experts_implementation("batched_mm")


def _in_words(error: BaseException) -> str:
    """What the exporter objects to; what it says of axes is said anew, the rest as it says it."""
    if found := _FIXED.search(str(error)):
        number, name, axis = found.groups()
        what = "rows" if axis == "0" else "tokens"
        return f"its forward takes a fixed number of {what}: it makes axis {axis} of {name!r} {number}, which has to stay free."
    return f"{type(error).__name__}: {str(error)[:400]}"


def _by_running(module: nn.Module, blueprint: Blueprint, file: Path) -> None:
    """Export by running the module on tensors whose sizes are symbols."""
    _export(module, blueprint.example(2), blueprint, file, dynamic_shapes=_shapes(module, blueprint))


def _by_running_plainly(module: nn.Module, blueprint: Blueprint, file: Path) -> None:
    """The same with attention as plain products: its own kernel lays the answer out as no other does, and a `view` may rest on that."""
    with sdpa_kernel(SDPBackend.MATH):
        _by_running(module, blueprint, file)


def _by_its_code(module: nn.Module, blueprint: Blueprint, file: Path) -> None:
    """Export by reading the module's code, in which `len(x)` is a size like any other."""
    program = torch.export.export(module, blueprint.example(2), dynamic_shapes=_shapes(module, blueprint), strict=True)
    _export(program, (), blueprint, file)


def _export(what: Any, example: tuple[Tensor, ...], blueprint: Blueprint, file: Path, **more: Any) -> None:
    names = {"input_names": list(blueprint.inputs), "output_names": [blueprint.answers]}
    torch.onnx.export(what, example, str(file), dynamo=True, external_data=False, verbose=False, **names, **more)


def _shapes(module: nn.Module, blueprint: Blueprint) -> tuple[Any, ...]:
    """What is free of each input, by place; those that `forward(self, *inputs)` gathers stand in a tuple of their own."""
    batch = torch.export.Dim("batch", min=1, max=65536)
    axes = [_free(shape, batch) for shape in blueprint.inputs.values()]
    kinds = [item.kind for item in inspect.signature(module.forward).parameters.values()]
    gathered = inspect.Parameter.VAR_POSITIONAL
    named = kinds.index(gathered) if gathered in kinds else len(axes)
    return (*axes[:named], *([tuple(axes[named:])] if named < len(axes) else []))


def _answers_alike(module: nn.Module, blueprint: Blueprint, model: Any, folder: Path) -> bool:
    """Whether an exported graph has a free batch and answers one row and three as the module does."""
    if graph_batch.fixed(model):
        return False
    session = graph_asked.engine().open(folder, GRAPH, {"threads": 1})
    try:
        for size in _BATCHES:
            feed, wanted = _made_up(module, blueprint, size)
            (found,) = session.run({name: item.numpy() for name, item in feed.items()}).values()
            if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=0, atol=_CLOSE * max(1.0, float(np.abs(wanted).max()))):
                return False
    except ParedownError:
        return False
    finally:
        session.close()
    return True


def _made_up(module: nn.Module, blueprint: Blueprint, size: int) -> tuple[dict[str, Tensor], Any]:
    """Rows of normal numbers, or of ones where tokens stand, whose number is another than the exporter saw; and the module's answers."""
    draw = torch.Generator().manual_seed(size)
    examples = dict(zip(blueprint.inputs, blueprint.example(size)))
    longer = {
        name: torch.ones(size, *(TOKENS + size if isinstance(axis, str) else axis for axis in shape), dtype=examples[name].dtype)
        for name, shape in blueprint.inputs.items()
    }
    fed = {name: torch.randn(item.shape, generator=draw) if item.is_floating_point() else item for name, item in longer.items()}
    with torch.inference_mode():
        try:
            return fed, module(*fed.values()).numpy()
        except Exception:  # modules raise what they like where so many tokens are too many
            return examples, module(*examples.values()).numpy()


def _constant_batch(module: nn.Module, blueprint: Blueprint) -> str:
    """The line of a forward that asks for the batch as a plain number, as the end of a sentence; empty where none is seen.

    Departs: looks on where the exporter decides that a symbol is a number, which is no part of its public face.
    """
    from torch.fx.experimental import symbolic_shapes

    seen: list[traceback.FrameSummary] = []
    asked = symbolic_shapes.ShapeEnv.evaluate_expr

    def watched(self: Any, expression: Any, *args: Any, **named: Any) -> Any:
        if getattr(expression, "is_symbol", False):
            seen.extend([frame for frame in traceback.extract_stack() if is_own_file(frame.filename)][-1:])
        return asked(self, expression, *args, **named)

    symbolic_shapes.ShapeEnv.evaluate_expr = watched
    try:
        torch.export.export(module, blueprint.example(2), dynamic_shapes=_shapes(module, blueprint), strict=False)
    except Exception:
        pass
    finally:
        symbolic_shapes.ShapeEnv.evaluate_expr = asked
    if not seen:
        return ""
    return (
        f", since the batch is a plain number in {Path(seen[0].filename).name}:{seen[0].lineno}: `{seen[0].line}`; write `x.shape[0]` there"
    )


def _free(shape: Sequence[int | str], batch: Any) -> dict[int, Any]:
    """Axis of the input -> how free it is; the batch stands before the item's own axes."""
    return {0: batch} | {at: torch.export.Dim.DYNAMIC for at, axis in enumerate(shape, 1) if isinstance(axis, str)}


LOWERINGS: dict[tuple[str, str], Callable[[Candidate, Store, Path], Candidate]] = {
    ("torch", "onnx"): to_onnx,
    ("torch", "tflite"): to_tflite,
}
