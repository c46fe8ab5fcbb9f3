"""A job so small that a whole run takes seconds, with short measurements; torch is not asked for anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

WIDTH, HIDDEN, NAMES = 8, 1024, ("left", "middle", "right")
ONE_RECIPE = (
    "{exclude: [distill, prune_channels, recover, cascade, quantize_static, drop_layers, distill_to_mlp, prune_trees, quantize_embeddings]}"
)


@dataclass(frozen=True)
class TinyStudy:
    """A finished study with its job file and its rows.

    Args:
        job: The job file.
        folder: The study; never to be changed by a test, copy it first.
        rows: The .npz file of all rows.
    """

    job: Path
    folder: Path
    rows: Path

    @property
    def artifact(self) -> Path:
        """What was released."""
        return self.folder / "artifact"


def tiny_rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, 8) whose largest number says which of three classes they are, and their labels."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % len(NAMES)
    return (draw.normal(0, 0.3, (count, WIDTH)) + 3 * np.eye(WIDTH)[labels]).astype(np.float32), labels


def write_tiny_job(folder: Path, policy: str = "{minimize: size, rules: [{quality: {drop: 5 %}}]}", search: str = "{}") -> Path:
    """A job on a graph that answers all rows right; graph and rows lie beside it."""
    inputs, labels = tiny_rows(900, 0)
    np.savez(folder / "rows.npz", X=inputs, y=np.asarray(NAMES)[labels])
    write_graph(folder / "given.onnx")
    job = folder / "tiny.yaml"
    job.write_text(
        "name: tiny\nmodel: {onnx: given.onnx}\ntask: tabular-classification\n"
        f"data: {{all: rows.npz, labels: [{', '.join(NAMES)}]}}\nmetric: accuracy\ndeploy: {{runtimes: [onnxruntime]}}\n"
        f"search: {search}\npolicy: {policy}\n"
    )
    return job


def write_graph(file: Path, hidden: int = HIDDEN) -> None:
    """Three layers, (N, 8) -> (N, 3), that pass the first three numbers on as logits; large enough for 8-bit numbers to pay."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    first, second, last = np.eye(WIDTH, hidden), np.eye(hidden), np.eye(hidden, len(NAMES))
    nodes = [
        helper.make_node("MatMul", ["input", "first"], ["wide"]),
        helper.make_node("Relu", ["wide"], ["felt"]),
        helper.make_node("MatMul", ["felt", "second"], ["deep"]),
        helper.make_node("MatMul", ["deep", "last"], ["logits"]),
    ]
    taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", WIDTH])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(NAMES)])
    named = {"first": first, "second": second, "last": last}
    held = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in named.items()]
    graph = helper.make_graph(nodes, "tiny", [taken], [given], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)


def rebind(study: Path) -> None:
    """Write the evidence of a study as it stands now, as whoever can write all of it could."""
    import json

    from paredown.evidence.bound import rows_of
    from paredown.ground import digests

    released, manifest = study / "evidence/released.json", study / "evidence/MANIFEST.sha256"
    said = json.loads(released.read_text())
    said["files"] = {name: digests.of_file(study / name) for name in said["files"] if (study / name).is_file()}
    said["ledger"] = {table: vars(rows) for table, rows in rows_of(study / "ledger.sqlite").items()}
    released.write_text(json.dumps(said))
    manifest.unlink()
    manifest.write_text("".join(f"{digest}  {name}\n" for name, digest in digests.of_files(study / "evidence").items()))


def shorten(patch: pytest.MonkeyPatch, state: Path) -> None:
    """Make all measurements of a run short, and count reads of test apart from the machine's own count."""
    from paredown.protocol import bench, gates
    from paredown.running import long_measurement, trials

    short = bench.Plan(rounds=3, window_s=0.02, warm_s=0.01)
    for module, name in (
        (long_measurement, "FINAL"),
        (long_measurement, "AS_FOUND"),
        (trials, "FLOOR"),
        (trials, "SCREENING"),
        (bench, "SWEEP"),
    ):
        patch.setattr(module, name, short)
    patch.setattr(gates, "MAX_WAITED", 1.0)  # tests run beside each other
    patch.setenv("XDG_STATE_HOME", str(state))
