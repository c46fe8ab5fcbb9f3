"""From job to released model where answers are vectors: queries among documents, and a graph held against itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.core.errors import UsageError
from paredown.measuring.check import check
from paredown.running.setup import checked, read_splits
from paredown.running.story import run
from paredown.study.jobfile import read_job
from paredown.testing import tiny
from tiny_study import ONE_RECIPE, shorten

DOCUMENTS, QUERIES, WIDTH = 120, 80, 16


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shorten(monkeypatch, tmp_path / "state")


def job(folder: Path, task: str, metric: str, model: str, data: str) -> Path:
    file = folder / "job.yaml"
    file.write_text(
        f"name: vectors\nmodel: {model}\ntask: {task}\ndata: {data}\nmetric: {metric}\n"
        f"deploy: {{runtimes: [onnxruntime]}}\nsearch: {ONE_RECIPE}\npolicy: {{minimize: size, rules: [{{quality: {{drop: 10 %}}}}]}}\n"
    )
    return file


def searched(folder: Path) -> None:
    """Documents of six words, and queries of four that one of them has."""
    draw, words = np.random.default_rng(0), list(tiny.TEXT_WORDS)
    documents = [[str(word) for word in draw.choice(words, 6)] for _ in range(DOCUMENTS)]
    (folder / "corpus.jsonl").write_text("\n".join(json.dumps({"_id": f"d{at}", "text": " ".join(d)}) for at, d in enumerate(documents)))
    asked, judged = [], list[str]()
    for at in range(QUERIES):
        right = int(draw.integers(DOCUMENTS))
        asked.append(json.dumps({"_id": f"q{at}", "text": " ".join(draw.permutation(documents[right])[:4])}))
        judged.append(f"q{at}\td{right}\t1\n")
    (folder / "queries.jsonl").write_text("\n".join(asked))
    (folder / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged))


def graph(file: Path) -> None:
    """X -> X @ w, large enough for 8-bit numbers to pay."""
    draw = np.random.default_rng(1)
    held = {"w": draw.normal(size=(WIDTH, 1024)).astype(np.float32) / 4, "v": draw.normal(size=(1024, 32)).astype(np.float32) / 32}
    nodes = [helper.make_node("MatMul", ["X", "w"], ["a"]), helper.make_node("MatMul", ["a", "v"], ["vectors"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name, width in (("X", WIDTH), ("vectors", 32))]
    made = helper.make_graph(nodes, "given", ends[:1], ends[1:], [numpy_helper.from_array(array, name) for name, array in held.items()])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)


@pytest.mark.slow
def test_documents_are_found_by_a_smaller_encoder_as_well(tmp_path: Path) -> None:
    searched(tmp_path)
    tiny.pretrained(tmp_path / "model", hidden_size=64)
    file = job(tmp_path, "text-embedding", "ndcg@10", "{huggingface: model}", "{test: test.tsv}")
    result = run(file, tmp_path / "study")
    data = json.loads((tmp_path / "study/result.json").read_text())
    assert (result.verdict, data["metric"]) == ("pass", "ndcg@10")
    assert "queries" in next(item["reason"] for item in data["findings"] if item["rule"] == "quality")
    assert data["baseline"]["quality"]["value"] > 0.2  # words that both have bring them near, even with random weights
    assert abs(data["chosen"]["quality"]["value"] / data["baseline"]["quality"]["value"] - 1) < 0.1
    assert data["rows"]["test"] == DOCUMENTS + QUERIES - round(QUERIES / 3)
    assert {finding.outcome.value for finding in check(tmp_path / "study").findings} == {"pass"}
    with result.load() as model:
        vectors = np.array(model.predict(["card pin"]))
    assert vectors.shape == (1, 64)
    (tmp_path / "new.txt").write_text("card pin\n")
    command = [sys.executable, str(tmp_path / "study/artifact/predict.py"), str(tmp_path / "new.txt")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(told.stdout.splitlines()[0]), vectors[0], rtol=1e-5)


@pytest.mark.slow
def test_a_graph_of_vectors_needs_no_labels(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name, count in (("train", 200), ("test", 400)):
        np.savez(tmp_path / f"{name}.npz", X=draw.normal(size=(count, WIDTH)).astype(np.float32))
    graph(tmp_path / "given.onnx")
    file = job(tmp_path, "array-embedding", "agreement", "{onnx: given.onnx}", "{train: train.npz, test: test.npz}")
    result = run(file, tmp_path / "study")
    data = json.loads((tmp_path / "study/result.json").read_text())
    assert (result.verdict, data["baseline"]["quality"]["value"]) == ("pass", 1.0)
    assert 0.99 < data["chosen"]["quality"]["value"] < 1
    assert {finding.outcome.value for finding in check(tmp_path / "study").findings} == {"pass"}


def test_a_model_that_does_not_say_how_wide_it_answers_or_is_trained_is_refused(tmp_path: Path) -> None:
    searched(tmp_path)
    (tmp_path / "net.py").write_text("def build(): ...\n")
    (tmp_path / "tokenizer.json").write_text("{}")
    python = job(tmp_path, "text-embedding", "ndcg@10", "{python: 'net:build'}", "{test: test.tsv}")
    said = (
        r"nothing says how many numbers net:build answers a row with\.\n  Say it beside the model, as `model: {python: .*, outputs: 384}`"
    )
    with pytest.raises(UsageError, match=said):
        read_splits(read_job(python), checked(read_job(python)))
    trained = job(tmp_path, "text-embedding", "ndcg@10", "{python: 'net:build', outputs: 8, train: {}}", "{test: test.tsv}")
    with pytest.raises(
        UsageError, match=r"the job trains the model, and vectors are not trained here\.\n  Give an encoder that is trained"
    ):
        read_splits(read_job(trained), checked(read_job(trained)))
    wide = job(tmp_path, "text-embedding", "ndcg@10", "{python: 'net:build', outputs: 8}", "{test: test.tsv}")
    assert read_splits(read_job(wide), checked(read_job(wide))).names == tuple("01234567")
