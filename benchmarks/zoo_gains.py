"""What each architecture of the zoo gains by the ordinary way: a study with real workers, every recipe built, packed, loaded and asked.

A graph on an engine has to answer like the torch module of the same recipe; 8 bits have to be near the model as given. What is refused is
refused by a ParedownError; everything else is an error.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from architectures import TEXTS, cases

ROWS = {"train": 64, "validation": 24, "test": 24}
TRIAL = "90 s"
WAYS = {
    "onnxruntime": ("as_given @ onnxruntime(threads=1)", "as_given @ torch(threads=1)"),
    "openvino": ("as_given @ openvino(threads=1)", "as_given @ torch(threads=1)"),
    "dynamic int8": ("quantize_dynamic() @ onnxruntime(threads=1)", "as_given @ torch(threads=1)"),
    "static int8, onnxruntime": ("quantize_static() @ onnxruntime(threads=1)", "as_given @ torch(threads=1)"),
    "static int8, openvino": ("quantize_static() @ openvino(threads=1)", "as_given @ torch(threads=1)"),
    "prune": ("prune_channels(keep=0.6, round_to=1) @ onnxruntime(threads=1)", "prune_channels(keep=0.6, round_to=1) @ torch(threads=1)"),
    "drop": ("drop_layers() @ onnxruntime(threads=1)", "drop_layers() @ torch(threads=1)"),
    "recover": (
        "prune_channels(keep=0.6, round_to=1) > recover(epochs=1) @ onnxruntime(threads=1)",
        "prune_channels(keep=0.6, round_to=1) > recover(epochs=1) @ torch(threads=1)",
    ),
    "distill": ('distill(student="half", epochs=1) @ onnxruntime(threads=1)', 'distill(student="half", epochs=1) @ torch(threads=1)'),
}
"""Column -> (recipe, the recipe whose answers are the truth)."""


def gains(name: str, folder: Path) -> dict[str, str]:
    """Column -> "0.02" (how far apart, as a share of how far answers vary), or "refused: ..." or "wrong: ..." or "error: ...".

    Args:
        name: Of `architectures.cases`.
        folder: An empty folder.
    """
    from paredown.core.errors import ParedownError
    from paredown.core.recipe import parse
    from paredown.encoders.feed import feed_shapes
    from paredown.running.setup import opened
    from paredown.running.workspace import Silent
    from paredown.study.jobfile import read_job

    try:
        document = brought(name, folder)
    except ParedownError as error:
        return {"brought": f"refused: {_line(error)}"}
    job = read_job(document, folder)
    out: dict[str, str] = {}
    with opened(job, folder / "study", fresh=False, wait_s=0, listener=Silent()) as workspace:
        try:
            workspace.with_baseline(
                workspace.builder.baseline(
                    job.model, job.folder, feed_shapes(workspace.builder.build_spec.encode), len(workspace.splits.names)
                )
            )
        except ParedownError as error:
            return {"brought": f"refused: {_line(error)}"}
        except Exception as error:
            return {"brought": f"error: {type(error).__name__}: {_line(error)}"}
        known: dict[str, Any] = {}

        def answers(recipe: str) -> Any:
            if recipe not in known:
                try:
                    built = workspace.builder.build(parse(recipe))
                    known[recipe] = workspace.outputs(built.artifact, "validation")
                except Exception as error:
                    known[recipe] = error
            return known[recipe]

        for column, (recipe, truth) in WAYS.items():
            began = time.perf_counter()
            mine, theirs = answers(recipe), answers(truth)
            seconds = time.perf_counter() - began
            failed = next((item for item in (theirs, mine) if isinstance(item, Exception)), None)
            if failed is not None:
                word = "refused" if isinstance(failed, ParedownError) else f"error: {type(failed).__name__}"
                out[column] = f"{word}: {_line(failed)}"
            else:
                far, most = apart(mine, theirs), 0.6 if "int8" in column else 0.02
                out[column] = f"{'' if far <= most else 'wrong: '}{far:.3f}"
            if seconds > 100:
                out[column] = f"hang: {seconds:.0f} s; {out[column]}"
    return out


def apart(mine: np.ndarray, theirs: np.ndarray) -> float:
    """How far two sets of probabilities (N, classes) are apart, as a share of how far the second ones vary."""
    one, two = (np.log(np.clip(item, 1e-9, 1)) for item in (mine, theirs))
    spread = float(np.sqrt(((two - two.mean(axis=1, keepdims=True)) ** 2).mean()))
    return float(np.sqrt(((one - two) ** 2).mean())) / max(spread, 1e-3)


def brought(name: str, folder: Path) -> dict[str, Any]:
    """Write model and data as a person would bring them; returns the job's document.

    Raises:
        BadModel: paredown does not take the module.
    """
    import torch

    from paredown.testing import tiny

    torch.manual_seed(0)
    module, rows = cases()[name]()
    module = module.eval()
    job: dict[str, Any] = {"name": "zoo", "metric": "accuracy", "policy": "frugal", "search": {"trial": {"time": TRIAL}}}
    job["deploy"] = {"runtimes": ["onnxruntime", "openvino", "torch"]}
    if name in TEXTS:
        return job | {"model": {"huggingface": "model"}, "task": "text-classification", "data": words(module, folder, tiny)}
    example = rows(2)
    from paredown.modelkit import memory

    place = folder / "given"
    place.mkdir()
    frozen = memory.freeze(memory.unwrapped(module), place)
    data: dict[str, Any] = {}
    draw = np.random.default_rng(0)
    for split, count in ROWS.items():
        values = torch.cat([rows(2)[0] for _ in range(count // 2)])
        labels = np.arange(count) % classes_of(module, example)
        np.savez(folder / f"{split}.npz", x=values.numpy(), y=draw.permutation(labels))
        data[split] = f"{split}.npz"
    data["labels"] = [str(at) for at in range(classes_of(module, example))]
    if not example[0].is_floating_point():
        data["preprocess"] = {"numbers": "int64"}
    for file in place.iterdir():
        file.rename(folder / file.name)
    return job | {
        "model": {"memory": frozen["fingerprint"], "sha256": frozen["sha256"]}, "task": "array-classification", "data": data
    }  # fmt: skip


def classes_of(module: Any, example: Any) -> int:
    """How many numbers it answers per row."""
    import torch

    with torch.no_grad():
        return int(module(*example).shape[1])


def words(module: Any, folder: Path, tiny: Any) -> dict[str, Any]:
    """A folder with the model and a tokenizer of words, and three files of texts; returns `data:`."""
    tiny.pretrained(folder / "words", labels=("a", "b"), layers=1)
    (folder / "model").mkdir()
    for file in (folder / "words").iterdir():
        if file.name.startswith(("tokenizer", "special")):
            file.rename(folder / "model" / file.name)
    inner = module.model
    inner.config.id2label = dict(enumerate(("card", "loan", "visit", "none")))
    inner.config.label2id = {name: at for at, name in inner.config.id2label.items()}
    inner.save_pretrained(folder / "model")
    data: dict[str, Any] = {"text": "text", "label": "label"}
    for at, (split, count) in enumerate(ROWS.items()):
        made = tiny.texts(count, at)
        lines = [json.dumps({"text": f"{text} {at}", "label": made.names[label]}) for text, label in zip(made.inputs, made.labels)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        data[split] = f"{split}.jsonl"
    return data


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
