"""A model that is no artifact, packed as its user has it, so that it can stand beside one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paredown.core.errors import UsageError
from paredown.core.job import ModelSpec
from paredown.ground import registry

if TYPE_CHECKING:
    from paredown.core.rows import Rows
    from paredown.protocol.bench import Bench

_ASKED = 64
"""Rows that a model is asked when it is opened, which show what it answers with."""


def model_spec(given: str | Path) -> ModelSpec | None:
    """The model that a path or "kind:value" names, by the unit of `models` that opens it; None when it is no such model.

    Args:
        given: "model.onnx", a Hugging Face folder, or as "huggingface:org/name".
    """
    kind, colon, value = str(given).partition(":")
    if colon and kind in registry.names("models") and not Path(given).exists():
        return ModelSpec(kind=kind, value=value)
    found = next((unit.name() for unit in registry.working("models") if unit().opens(Path(given))), None)
    return ModelSpec(kind=found, value=str(given)) if found else None


def probe_rows(folder: Path, manifest: Mapping[str, Any]) -> Rows:
    """An artifact's synthetic inputs as rows."""
    import numpy as np

    from paredown.artifact.load import read_probe
    from paredown.core.rows import Rows

    probe = read_probe(folder, manifest)["inputs"]
    if probe and isinstance(probe[0], Mapping):
        return Rows(inputs={name: np.asarray([row[name] for row in probe]) for name in probe[0]}, labels=None)
    return Rows(inputs=np.asarray(probe, object if manifest["encode"]["kind"] == "text" else None), labels=None)


def packed(spec: ModelSpec, like: Path, rows: Rows, bench: Bench, scratch: Path) -> Path:
    """Pack a model for its own engine, at the thread count that takes the least CPU time.

    Args:
        spec: The model.
        like: An artifact of the same task. What its model does not bring along is this one's too: how raw input is encoded, the labels.
        rows: What will be asked.
        bench: Holds these rows; its process for sweeps is used.
        scratch: An empty folder, or one that packed another.

    Returns:
        The artifact's folder, in `scratch`.

    Raises:
        BadModel: It cannot be opened, or does not fit the inputs and labels.
        UsageError: Its labels are others, or it would have to be trained first.
        MissingExtra: What opens it is not installed.
    """
    from paredown.artifact.load import read_manifest
    from paredown.builder import work
    from paredown.builder.build_spec import BuildSpec
    from paredown.encoders.feed import feed_shapes
    from paredown.ground.host import host
    from paredown.kinds.decode import width_of
    from paredown.protocol.bench import fewest, thread_counts
    from paredown.rows.rowfile import write_rows

    manifest, here = read_manifest(like), host()
    source, task = registry.get("models", spec.kind)(), registry.get("tasks", manifest["task"])()
    if source.trains(spec):
        raise UsageError(f"{spec.kind}:{spec.value} is trained by a job; there is nothing to measure yet.\n  Give a trained model.")
    work_folder = scratch / "files"
    work_folder.mkdir(exist_ok=True)
    arrays = {"takes": source.takes(spec, Path())} if task.raw == "arrays" else {}
    own = arrays or source.preprocess(spec, Path(), work_folder)
    texts = {"columns": manifest["encode"]["columns"]} if task.raw == "text" else {}  # what the rows call them
    kept = {"rare": "keep"} if task.raw == "table" else {}  # it is fed as it was trained, and nothing of it ships
    encode = task.encoder(rows, kept | own | texts) if own else manifest["encode"]
    labels = manifest["labels"] if arrays else _labels(source.labels(spec, Path()), manifest["labels"], spec)
    write_rows(probe_rows(like, manifest), scratch / "probe.npz")
    write_rows(rows.spread(_ASKED), scratch / "asked.npz")
    artifacts = scratch / "artifacts"
    build_spec = BuildSpec(
        name=manifest["name"],
        task=manifest["task"],
        encode=encode,
        decode=manifest["decode"] if arrays else task.decoder(tuple(labels), encode),
        labels=labels,
        store=str(scratch / "store"),
        artifacts=str(artifacts),
        data={"unlabeled": str(scratch / "asked.npz")},
        seed=0,
        threads=here.cores,
        isa=here.isa,
        probe=str(scratch / "probe.npz"),
        files=str(work_folder if own else like),
    ).json()
    build_spec["encode"] |= work.limit({}, build_spec=build_spec, spec=asdict(spec), folder="") if own and not arrays else {}
    asked: dict[str, Any] = {"spec": asdict(spec), "folder": "", "inputs": feed_shapes(encode), "classes": width_of(build_spec["decode"])}
    candidate = work.baseline({}, build_spec=build_spec, **asked)
    engine = registry.engines(candidate["form"])[0].name()
    recipe = f"as_given @ {engine}(threads={{}})"
    artifacts.mkdir(exist_ok=True)
    arguments = {"lineage": [candidate["digest"]], "candidate": candidate, "runtime": engine, "placement": {"threads": 1}}
    first = work.pack({}, build_spec=build_spec, recipe=recipe.format(1), **arguments)
    threads = fewest(bench.sweep(artifacts / first, thread_counts(here.cores)))
    if threads == 1:
        return artifacts / first
    return artifacts / work.place({}, artifacts=str(artifacts), artifact=first, threads=threads, recipe=recipe.format(threads))


def _labels(own: tuple[str, ...], known: list[str], spec: ModelSpec) -> list[str]:
    """The labels in the model's order: its own names where it has them, which then must be the artifact's."""
    from paredown.study.classes import nameless

    if nameless(own):
        return known
    if sorted(own) != sorted(known):
        raise UsageError(
            f"{spec.value} answers with {', '.join(own[:5])}; the artifact with {', '.join(known[:5])}.\n"
            "  Give a model of the same task with the same labels."
        )
    return list(own)
