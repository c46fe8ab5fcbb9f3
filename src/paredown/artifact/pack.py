"""From candidates to an artifact: the folder that is measured and shipped."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata, resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from paredown.artifact.load import PROBE, open_program, packable, read_manifest
from paredown.artifact.manifest import FORMAT, MANIFEST
from paredown.core.candidate import Candidate
from paredown.core.errors import BadData, Unfit
from paredown.core.runtime import Runtime
from paredown.core.technique import Store
from paredown.encoders.feed import make_encoder
from paredown.graphs.graph_asked import CLOSE, apart
from paredown.ground import digests, registry
from paredown.ground.host import host
from paredown.ground.lazy import need
from paredown.kinds.decode import decoding
from paredown.kinds.known import kind_of

_TOLERANCE = 1e-3
_CLOSE_8_BITS = 0.5
"""The same as `graph_asked.CLOSE` for graphs in 8 bits, where an engine rounds by whole steps."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """What an artifact says about itself.

    Args:
        name: The job's name.
        task: The task's name.
        recipe: Canonical text.
        lineage: Digests of the baseline and of each step's result, in order.
        encode, decode: The task's declarations; a graph that answers with probabilities has a decoding of its own.
        files: Folder of the files that `encode` names.
        labels: Class names in the model's order.
        isa: Instruction-set class of the machine it is built and measured on.
    """

    name: str
    task: str
    recipe: str
    lineage: Sequence[str]
    encode: Mapping[str, Any]
    decode: Mapping[str, Any]
    labels: Sequence[str]
    isa: str
    files: Path = Path()


def pack(label: Label, candidate: Candidate, runtime: str, placement: Mapping[str, Any], probe: Any, store: Store, folder: Path) -> None:
    """Write an artifact of one graph into an empty folder.

    Args:
        candidate: In the runtime's form.
        runtime: Name of the engine.
        placement: {"threads": int, ...}.
        probe: A few synthetic raw inputs; stored with the answers that the packed graph gives.
        store: Where the candidate lives.

    Raises:
        Unfit: The engine cannot run it well, see `Runtime.export`, or answers otherwise than the engine its graph was checked in.
    """
    engine = registry.get("runtimes", runtime)()
    exported = engine.export(candidate, store, folder)
    _refuse_other_answers(label, candidate, engine, exported["file"], probe, store, folder)
    graph = {"name": "model", "runtime": runtime, "runtime_version": engine.version(), "placement": dict(placement)} | exported
    _finish(replace(label, decode=decoding(label.decode, graph["outputs"])), {"kind": "single"}, [graph], probe, folder)


def _refuse_other_answers(label: Label, candidate: Candidate, engine: Runtime, file: str, probe: Any, store: Store, folder: Path) -> None:
    """Hold an engine's answers against those of the form's own engine, in which the graph was held against the model.

    Raises:
        Unfit: They have nothing to do with each other.
    """
    own = registry.engines(candidate.form)[0]
    if own.name() == engine.name() or own.ready(host()) is not None:
        return
    feed, answers = make_encoder(label.encode, label.files)(probe), list[dict[str, Any]]()
    with TemporaryDirectory() as work:
        try:
            known = own.export(candidate, store, Path(work))
        except Unfit:  # made for this engine alone
            return
        for runtime, place, name in ((own, Path(work), known["file"]), (engine, folder, file)):
            session = runtime.open(place, name, {"threads": 1})
            answers.append(session.run(feed))
            session.close()
    far = apart(answers[1:], answers[:1])
    if far > (_CLOSE_8_BITS if _in_8_bits(store.folder(candidate.digest)) else CLOSE):
        raise Unfit(
            f"{engine.name()} gives other answers than {own.name()} for the same graph and made-up inputs: they are {far:.0%} of their "
            f"size apart. The graph is right in {own.name()}; {engine.name()} computes it otherwise."
        )


def _in_8_bits(folder: Path) -> bool:
    onnx, graphs = need("onnx", "packing a graph"), need("paredown.graphs.graphs", "packing a graph")
    nodes = onnx.load(folder / graphs.GRAPH, load_external_data=False).graph.node
    return any("QuantizeLinear" in node.op_type or node.op_type.endswith("Integer") for node in nodes)


def join(label: Label, program: Mapping[str, Any], parts: Mapping[str, Path], probe: Any, folder: Path) -> None:
    """Write an artifact that composes packed ones into an empty folder.

    Args:
        program: {"kind": "cascade", ...}.
        parts: Name ("first", "second") -> folder of a packed artifact of one graph.
    """
    graphs = []
    for name, part in parts.items():
        (graph,) = read_manifest(part)["graphs"]
        target = folder / name
        target.mkdir()
        for path in _engine_files(part):
            shutil.copyfile(path, target / path.name)
        own = decoding(label.decode, graph["outputs"])
        graphs.append(graph | {"name": name, "file": f"{name}/{graph['file']}"} | ({"decode": own} if own != label.decode else {}))
    _finish(label, program, graphs, probe, folder)


def place(folder: Path, threads: int, recipe: str) -> None:
    """Write another thread count, and the recipe that says it, into a packed artifact."""
    manifest = read_manifest(folder)
    for graph in manifest["graphs"]:
        graph["placement"]["threads"] = threads
    manifest["recipe"] = recipe
    (folder / "README.md").write_text(_readme(manifest), "utf-8")
    manifest["files"]["README.md"] = digests.of_file(folder / "README.md")
    _write(manifest, folder)


def holds(task: str, encode: Mapping[str, Any], decode: Mapping[str, Any], labels: Sequence[str]) -> str:
    """What an artifact holds of the data that it was made from, in one sentence, and that it holds no row of them.

    Args:
        task: The task's name.
        encode: Its declaration of raw input -> feed.
        decode: That of outputs -> answers.
        labels: Names of the outputs.
    """
    names = f"the names of its {len(labels)} {kind_of(decode).named}" if len(labels) > 1 else f"the name of its answer, {labels[0]!r}"
    spread = ["mean and spread of what is answered"] if "mean" in decode else []
    parts = "; ".join([names, *spread, *registry.get("tasks", task)().ships(encode)])
    return f"Of the data that it was made from it holds, beside weights that were trained on them, {parts}. It holds no row of them."


def _encoder_files(encode: Mapping[str, Any]) -> list[str]:
    return [encode["tokenizer"]] if "tokenizer" in encode else []


def _engine_files(part: Path) -> list[Path]:
    own = {"predict.py", "README.md", "labels.json", "preprocess.json", PROBE, MANIFEST, *_encoder_files(read_manifest(part)["encode"])}
    return [path for path in sorted(part.iterdir()) if path.is_file() and path.name not in own]


def _finish(label: Label, program: Mapping[str, Any], graphs: list[dict[str, Any]], probe: Any, folder: Path) -> None:
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "name": label.name,
        "paredown": metadata.version("paredown"),
        "task": label.task,
        "program": dict(program),
        "graphs": graphs,
        "encode": dict(label.encode),
        "decode": dict(label.decode),
        "labels": list(label.labels),
        "recipe": label.recipe,
        "lineage": list(label.lineage),
        "measured_on": {"isa": label.isa},
        "requires": _requires(graphs, label.encode),
        "probe": {},
        "files": {},
    }
    for name in _encoder_files(label.encode):
        shutil.copyfile(label.files / name, folder / name)
    (folder / "labels.json").write_text(json.dumps(manifest["labels"], ensure_ascii=False, indent=1), "utf-8")
    (folder / "preprocess.json").write_text(
        json.dumps({"encode": manifest["encode"], "decode": manifest["decode"]}, ensure_ascii=False, indent=1), "utf-8"
    )
    (folder / "predict.py").write_text(_script(), "utf-8")
    (folder / "README.md").write_text(_readme(manifest), "utf-8")
    with open_program(manifest, folder) as model:
        try:
            answers = model.answers(probe)
        except BadData as error:
            raise BadData(f"asked made-up inputs, as a check: {error}") from error
    inputs = probe.tolist() if hasattr(probe, "tolist") else probe
    (folder / PROBE).write_text(json.dumps({"inputs": inputs, "outputs": packable(answers).tolist()}), "utf-8")
    manifest["probe"] = {"file": PROBE, "tolerance": _TOLERANCE}
    manifest["files"] = {path: digest for path, digest in digests.of_files(folder).items() if path != MANIFEST}
    _write(manifest, folder)


def _write(manifest: Mapping[str, Any], folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1), "utf-8")


def _encoder_packages(encode: Mapping[str, Any]) -> list[str]:
    """What the encoder imports besides numpy, whatever the raw inputs are."""
    if encode["kind"] == "text":
        return ["tokenizers"]
    return ["pillow"] if "resize" in encode else ["soundfile"] if encode.get("formats") else []


def _requires(graphs: Sequence[Mapping[str, Any]], encode: Mapping[str, Any]) -> dict[str, Any]:
    versions = {graph["runtime"]: graph["runtime_version"].partition("+")[0] for graph in graphs}
    engines = {name: registry.get("runtimes", name) for name in versions}
    extras = ",".join(sorted({engine.extra for engine in engines.values() if engine.extra}))
    packages = ["numpy", *(f"{name}>={metadata.version(name)}" for name in _encoder_packages(encode))]
    packages += [f"{engine.package}>={versions[name]}" for name, engine in engines.items()]
    return {"install": f"paredown[{extras}]" if extras else "paredown", "packages": packages}


def _script() -> str:
    """`predict.py`: the sources that answer here, one after the other, without imports from paredown."""
    parts = [
        resources.files("paredown.ground").joinpath("untrusted.py").read_text("utf-8"),
        resources.files("paredown.ground").joinpath("checks.py").read_text("utf-8"),
        resources.files("paredown.ground").joinpath("separated.py").read_text("utf-8"),
        resources.files("paredown.artifact").joinpath("manifest.py").read_text("utf-8"),
        resources.files("paredown.encoders").joinpath("tokens.py").read_text("utf-8"),
        resources.files("paredown.encoders").joinpath("pictures.py").read_text("utf-8"),
        resources.files("paredown.encoders").joinpath("waveforms.py").read_text("utf-8"),
        resources.files("paredown.encoders").joinpath("spectrograms.py").read_text("utf-8"),
        resources.files("paredown.encoders").joinpath("declared_feed.py").read_text("utf-8"),
        resources.files("paredown.encoders").joinpath("feed.py").read_text("utf-8"),
        resources.files("paredown.kinds").joinpath("decode.py").read_text("utf-8"),
        resources.files("paredown.artifact").joinpath("programs.py").read_text("utf-8"),
        resources.files("paredown.artifact").joinpath("predict_main.py").read_text("utf-8"),
    ]
    whole = "\n".join(["#!/usr/bin/env python3", *parts])
    return re.sub(r"^from paredown\.[\w.]+ import (\([^)]*\)|.*)\n", "", whole, flags=re.MULTILINE)


def _readme(manifest: Mapping[str, Any]) -> str:
    packages = " ".join(f"'{package}'" for package in manifest["requires"]["packages"])
    threads = manifest["graphs"][0]["placement"].get("threads", 1)
    answers = f"{len(manifest['labels'])} {kind_of(manifest['decode']).named}"
    return (
        f"# {manifest['name']}\n\n"
        f"A model for {manifest['task']} with {answers}, made by paredown {manifest['paredown']}.\n\n"
        f"    {manifest['recipe']}\n\n"
        f"Answer rows from a file: `pip install {packages}`, then `python predict.py INPUT`.\n"
        f"From Python: `paredown.load('this folder').predict(X)`. Check it: `paredown verify 'this folder'`.\n\n"
        f"{holds(manifest['task'], manifest['encode'], manifest['decode'], manifest['labels'])} The inputs of its probe are made up.\n\n"
        f"Measured with {threads} thread{'s' if threads != 1 else ''} on a CPU of class {manifest['measured_on']['isa']}; "
        "8-bit results can differ on other classes.\n"
    )
