"""What is packed answers like what it was packed from, and says of itself all that the design asks for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.artifact.load import Model, load, open_program, read_manifest, read_probe
from paredown.artifact.pack import place
from paredown.artifact.programs import make_program
from paredown.core.errors import BadData, Damaged, Unfit, UnknownName
from paredown.evidence.verify import verify
from paredown.ground import digests
from paredown.testing import tiny

IMAGES = tiny.rows(60, 8).inputs
NAMES = ["oben", "middle", "bottom"]


def expected() -> np.ndarray:
    """Probabilities of the tiny mlp, by numpy."""
    logits = tiny.logits(tiny.encode(IMAGES)).astype(np.float64)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("form", ["single", "torch"])
def test_an_artifact_answers_like_its_model(packed: Any, form: str) -> None:
    with load(getattr(packed, form)) as model:
        np.testing.assert_allclose(model.predict_proba(IMAGES), expected(), rtol=1e-5, atol=1e-5)
        assert model.predict(IMAGES) == [NAMES[at] for at in expected().argmax(1)]
        assert model.predict(IMAGES[0]) == model.predict(IMAGES[:1])
        assert model.labels == NAMES
        assert model.program.asked == {"model": 60}


def test_the_manifest_has_every_entry_of_the_design(packed: Any) -> None:
    manifest = read_manifest(packed.single)
    entries = "format name paredown task program graphs encode decode labels recipe lineage measured_on requires probe files"
    assert list(manifest) == entries.split()
    (graph,) = manifest["graphs"]
    assert {"name", "file", "runtime", "runtime_version", "placement", "inputs", "outputs"} <= graph.keys()
    assert (graph["inputs"], graph["outputs"], graph["placement"]) == (["input"], ["logits"], {"threads": 1})
    assert (graph["multiply_adds"], graph["parameters"]) == (624, 643)
    assert (manifest["program"], manifest["measured_on"]) == ({"kind": "single"}, {"isa": "avx2"})
    assert manifest["requires"]["install"] == "paredown"
    assert read_manifest(packed.torch)["requires"]["install"] == "paredown[compress]"
    written = {path: digest for path, digest in digests.of_files(packed.single).items() if path != "artifact.json"}
    assert manifest["files"] == written
    assert {"README.md", "predict.py", "labels.json", "preprocess.json", "probe.json", "model.onnx"} == written.keys()
    assert json.loads((packed.single / "labels.json").read_text("utf-8")) == NAMES
    readme = (packed.single / "README.md").read_text("utf-8")
    assert "as_given @ onnxruntime(threads=1)" in readme
    held = "the names of its 3 classes; one mean and spread of the pixels per channel. It holds no row of them."
    assert held in readme


@pytest.mark.parametrize("form", ["single", "torch", "table", "cascade"])
def test_the_probe_is_answered_as_written_and_the_files_verify(packed: Any, form: str) -> None:
    folder = getattr(packed, form)
    probe = read_probe(folder, read_manifest(folder))
    inputs = probe["inputs"] if form == "table" else np.asarray(probe["inputs"], np.float32)
    with load(folder) as model:
        np.testing.assert_allclose(model.predict_proba(inputs), probe["outputs"], atol=1e-6)
    assert 0 < read_manifest(folder)["probe"]["tolerance"] <= 1e-3
    assert verify(folder).files == len(read_manifest(folder)["files"])


def test_packing_twice_gives_the_same_bytes(packed: Any, tmp_path: Path) -> None:
    assert digests.of_folder(packed.make(tmp_path / "again")) == digests.of_folder(packed.single)


def test_place_changes_the_threads_and_what_says_them(packed: Any, tmp_path: Path) -> None:
    folder = packed.make(tmp_path / "a")
    before = read_manifest(folder)
    place(folder, 3, "as_given @ onnxruntime(threads=3)")
    after = read_manifest(folder)
    assert after["graphs"][0].pop("placement") == {"threads": 3}
    assert before["graphs"][0].pop("placement") == {"threads": 1}
    assert after.pop("recipe") == "as_given @ onnxruntime(threads=3)"
    readme = [manifest["files"].pop("README.md") for manifest in (before, after)]
    assert readme[0] != readme[1]
    before.pop("recipe")
    assert after == before
    assert "Measured with 3 threads" in (folder / "README.md").read_text("utf-8")
    verify(folder)


def test_other_threads_can_be_asked_for_without_changing_the_artifact(packed: Any) -> None:
    before = digests.of_folder(packed.single)
    with load(packed.single, threads=2) as model:
        np.testing.assert_allclose(model.predict_proba(IMAGES), expected(), rtol=1e-5, atol=1e-5)
    assert digests.of_folder(packed.single) == before


def test_a_cascade_routes_by_the_first_models_certainty(packed: Any) -> None:
    with load(packed.parts["first"]) as first, load(packed.parts["second"]) as second, load(packed.cascade) as pair:
        cheap, dear = first.predict_proba(IMAGES), second.predict_proba(IMAGES)
        sure = cheap.max(1) >= packed.at
        assert 5 < sure.sum() < 55
        routed = np.where(sure[:, None], cheap, dear)
        np.testing.assert_allclose(pair.predict_proba(IMAGES), routed, atol=1e-6)
        assert pair.program.asked == {"first": 60, "second": int((~sure).sum())}
        assert pair.predict(IMAGES) == [NAMES[at] for at in routed.argmax(1)]
        # one by one, both ends of the fork
        for at in (int(np.flatnonzero(sure)[0]), int(np.flatnonzero(~sure)[0])):
            np.testing.assert_allclose(pair.predict_proba(IMAGES[at : at + 1]), routed[at : at + 1], atol=1e-6)


def test_exactly_the_threshold_is_sure_enough(packed: Any) -> None:
    """As `Cascade.settings` counts it."""
    with load(packed.parts["first"]) as first:
        sure = first.predict_proba(IMAGES).max(1)
    with load(packed.cascade) as pair:
        for at, answered in ((float(sure[0]), 1), (float(np.nextafter(sure[0], 2)), 0)):
            runs = {name: item.run for name, item in pair._sessions.items()}
            program = make_program(pair.manifest | {"program": {"kind": "cascade", "at": at}}, runs, packed.cascade)
            program.answers(IMAGES[:1])
            assert program.asked == {"first": 1, "second": 1 - answered}


def test_a_cascade_carries_the_engine_files_of_its_parts_alone(packed: Any) -> None:
    manifest = read_manifest(packed.cascade)
    assert [(graph["name"], graph["file"], graph["placement"]) for graph in manifest["graphs"]] == [
        ("first", "first/model.onnx", {"threads": 2}),
        ("second", "second/model.onnx", {"threads": 1}),
    ]
    assert sorted(path for path in manifest["files"] if "/" in path) == ["first/model.onnx", "second/model.onnx"]
    for name, part in packed.parts.items():
        assert digests.of_file(packed.cascade / name / "model.onnx") == digests.of_file(part / "model.onnx")


def test_an_unknown_program_is_refused(packed: Any) -> None:
    manifest = read_manifest(packed.single) | {"program": {"kind": "vote"}}
    with pytest.raises(ValueError, match=r"program kind 'vote' is not one of single, cascade\."):
        make_program(manifest, {}, packed.single)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 5, 6)), r"the inputs have shape \(2, 5, 6\); one image is \(6, 6\), a batch is \(N, 6, 6\)\."),
        ([[1.0, 2.0]], r"the inputs have shape \(1, 2\)"),
    ],
)
def test_inputs_of_another_shape_are_refused(packed: Any, inputs: Any, message: str) -> None:
    with load(packed.single) as model:
        for ask in (model.predict, model.predict_proba):
            with pytest.raises(BadData, match=message):
                ask(inputs)


def test_a_missing_column_and_a_word_for_a_number_are_refused(packed: Any) -> None:
    with load(packed.table) as model:
        with pytest.raises(BadData, match=r"the inputs lack the column 'size'; they need age, job, size\."):
            model.predict([{"age": 3, "job": "cook"}])
        with pytest.raises(BadData, match=r"column 'age' holds 'old'; it needs a number"):
            model.predict_proba([{"age": "old", "job": "cook", "size": "m"}])


def test_a_table_is_taken_as_rows_or_as_columns(packed: Any) -> None:
    rows = [{"age": 31.0, "job": "Lehrerin", "size": "s"}, {"age": None, "job": "pilot", "size": ""}]
    columns = {"age": np.array([31.0, np.nan]), "job": np.array(["Lehrerin", "pilot"]), "size": np.array(["s", ""])}
    texts = [{"age": "31", "job": "Lehrerin", "size": "s"}, {"age": "", "job": "pilot", "size": ""}]
    with load(packed.table) as model:
        answers = [model.predict_proba(form) for form in (rows, columns, texts)]
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def broken(packed: Any, tmp_path: Path, **changes: Any) -> Path:
    folder = shutil.copytree(packed.single, tmp_path / "broken")
    (folder / "artifact.json").write_text(json.dumps(read_manifest(folder) | changes))
    return folder


def test_a_folder_that_is_no_artifact_is_refused(packed: Any, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match=r"is not an artifact: it has no readable artifact\.json \(No such file or directory\)\."):
        load(tmp_path)
    folder = broken(packed, tmp_path, format=2)
    with pytest.raises(Damaged, match=r"artifact\.json has format 2; this version of paredown reads format 1\."):
        load(folder)
    for content, said in (("{", "is not JSON: "), ("[1]", "has format 'list'"), ('{"format": 1, "labels": []}', "lacks program, graphs, ")):
        (folder / "artifact.json").write_text(content)
        with pytest.raises(Damaged, match=rf"artifact\.json {said}"):
            load(folder)


def test_a_lost_or_damaged_graph_is_refused(packed: Any, tmp_path: Path) -> None:
    folder = broken(packed, tmp_path)
    (folder / "model.onnx").write_bytes(b"not a graph")
    with pytest.raises(Damaged, match=r"model\.onnx cannot be opened by onnxruntime: "):
        load(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(Damaged, match=r"model\.onnx is missing from the artifact\.\n  `paredown verify .*broken` lists what else is\."):
        load(folder)


def test_an_engine_that_does_not_exist_is_refused(packed: Any, tmp_path: Path) -> None:
    graphs = [read_manifest(packed.single)["graphs"][0] | {"runtime": "onnxrt"}]
    with pytest.raises(UnknownName, match=r"no runtime 'onnxrt'\. Did you mean 'onnxruntime'\?"):
        load(broken(packed, tmp_path, graphs=graphs))


def test_answers_that_are_no_numbers_are_refused(packed: Any) -> None:
    manifest = read_manifest(packed.single)

    class Nan:
        def run(self, feed: Any) -> dict[str, np.ndarray]:
            return {"logits": np.full((len(feed["input"]), 3), np.nan, np.float32)}

        def close(self) -> None: ...

    with (
        Model(manifest, {"model": Nan()}, Path()) as model,
        pytest.raises(BadData, match="NaN or infinite values in 2 of 2 rows, first in row 0"),
    ):  # type: ignore[dict-item]
        model.predict_proba(IMAGES[:2])
    with open_program(manifest, packed.single) as model:
        assert model.predict(IMAGES[:1]) == [NAMES[expected()[0].argmax()]]


def test_an_engine_that_computes_a_graph_otherwise_is_refused(packed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from paredown.runtimes import openvino

    packed.make(tmp_path / "sound", "openvino")
    sound = openvino._Graph.run
    monkeypatch.setattr(openvino._Graph, "run", lambda self, feed: {name: -item for name, item in sound(self, feed).items()})
    said = r"openvino gives other answers than onnxruntime for the same graph and made-up inputs: they are 200% of their size apart\."
    with pytest.raises(Unfit, match=said):
        packed.make(tmp_path / "off", "openvino")
