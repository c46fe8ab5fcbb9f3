"""Two models beside each other: artifacts, studies and files, their answers paired, and what cannot be compared refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.artifact.load import read_manifest
from paredown.core.errors import BadData, BadModel, Damaged, UnknownName, UsageError
from paredown.core.reading import Reading
from paredown.core.rows import Rows
from paredown.ground import registry
from paredown.measuring.answers import compare_answers
from paredown.measuring.as_given import model_spec
from paredown.measuring.side_by_side import compare, measure, plan_of
from paredown.rows.rowfile import write_rows
from paredown.stats.paired import relative_upper
from tiny_study import NAMES, TinyStudy, tiny_rows


def rewritten(source: Path, folder: Path, **entries: Any) -> Path:
    """A copy of an artifact with other entries in its card."""
    shutil.copytree(source, folder)
    card = json.loads((folder / "artifact.json").read_text())
    (folder / "artifact.json").write_text(json.dumps(card | entries))
    return folder


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """200 rows, of which the last 20 carry a wrong label."""
    inputs, labels = tiny_rows(200, 7)
    labels[-20:] = (labels[-20:] + 1) % 3
    np.savez(tmp_path / "rows.npz", X=inputs, right=np.asarray(NAMES)[labels])
    return tmp_path / "rows.npz"


def test_answers_and_quality_are_compared_row_by_row(tiny_study: TinyStudy, noisy: Path) -> None:
    found = measure(tiny_study.folder, "baseline", data=noisy, label="right", seconds=1)
    answers = found.answers
    assert answers is not None
    assert (answers.rows, answers.metric, answers.flips.value) == (200, "accuracy", 0.0)
    assert answers.quality == answers.other_quality == 0.9
    assert answers.drop is not None
    assert answers.drop.drop == 0
    assert answers.drop.upper == pytest.approx(relative_upper(200, 180, 0, 0, 0.95))
    plain = json.loads(json.dumps(found.json()))["answers"]
    assert plain["drop"]["upper"] == answers.drop.upper
    assert measure(tiny_study.folder, "baseline", data=noisy, seconds=1).answers.metric == ""  # type: ignore[union-attr]


def test_a_change_of_answers_is_counted_and_labels_are_matched_by_name(tiny_study: TinyStudy, noisy: Path, tmp_path: Path) -> None:
    # the same graph whose first two outputs have changed names answers these two classes the other way round
    swapped = rewritten(tiny_study.artifact, tmp_path / "swapped", labels=["middle", "left", "right"])
    answers = compare(swapped, tiny_study.folder, data=noisy, label="right", metric="macro_f1", seconds=1).answers
    assert answers is not None
    labels = tiny_rows(200, 7)[1]
    assert answers.flips.value == np.mean(labels != 2)
    assert answers.metric == "macro_f1"
    assert answers.quality < 0.5 < answers.other_quality == pytest.approx(0.9, abs=0.01)
    assert answers.drop.low > 0.4  # type: ignore[union-attr]


def test_right_answers_are_in_the_order_of_the_rows_names(tiny_study: TinyStudy, tmp_path: Path) -> None:
    turned = rewritten(tiny_study.artifact, tmp_path / "turned", labels=["right", "left", "middle"])
    inputs, labels = tiny_rows(60, 7)
    rows = Rows(inputs=inputs, labels=labels, names=NAMES)
    write_rows(rows, tmp_path / "rows.npz")
    sides, accuracy = (turned, tiny_study.artifact), registry.get("metrics", "accuracy")()
    manifests = [read_manifest(side) for side in sides]
    answers = compare_answers(*sides, manifests, rows, tmp_path / "rows.npz", 1, (), accuracy, lambda what, done, total: None)
    assert (answers.quality, answers.other_quality) == (0, 1)  # every class of the turned one has another's name
    assert answers.flips.value == 1


def test_an_onnx_file_is_packed_with_what_the_artifact_says_and_stands_on_either_side(tiny_study: TinyStudy, noisy: Path) -> None:
    file = tiny_study.job.with_name("given.onnx")
    against = measure(tiny_study.artifact, file, data=noisy, label="right", seconds=1)
    assert against.other == file
    assert against.other_recipe.startswith("as_given @ onnxruntime(threads=")
    assert against.answers is not None
    assert against.answers.other_quality == 0.9
    size = against.ratios["size"]
    assert isinstance(size, Reading)
    assert size.value > 2  # fp32 beside 8 bits
    turned = compare(f"onnx:{file}", tiny_study.artifact, seconds=1)
    assert turned.answers is None
    assert turned.artifact == file
    assert turned.ratios["size"].value == pytest.approx(1 / size.value, rel=0.01)  # type: ignore[union-attr]


def test_compare_takes_what_a_study_released_and_not_its_baseline(tiny_study: TinyStudy) -> None:
    found = compare(tiny_study.artifact, tiny_study.folder, seconds=1)
    assert found.recipe == found.other_recipe
    assert found.ratios["size"].value == 1  # type: ignore[union-attr]


def test_what_a_path_means() -> None:
    assert model_spec("some/model.onnx").kind == "onnx"  # type: ignore[union-attr]
    spec = model_spec("huggingface:org/name")
    assert spec is not None
    assert (spec.kind, spec.value) == ("huggingface", "org/name")
    assert model_spec("runs/digits") is None
    assert model_spec("nothing:known") is None


def test_a_hugging_face_folder_is_known_by_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert model_spec(tmp_path).kind == "huggingface"  # type: ignore[union-attr]


def test_models_that_do_not_answer_the_same_question_are_refused(tiny_study: TinyStudy, tmp_path: Path) -> None:
    task = rewritten(tiny_study.artifact, tmp_path / "task", task="image-classification")
    with pytest.raises(
        UsageError, match=r"task is for image-classification, .*artifact for tabular-classification\.\n  Give two models of one"
    ):
        compare(task, tiny_study.artifact, seconds=1)
    labels = rewritten(tiny_study.artifact, tmp_path / "labels", labels=["left", "middle", "up"])
    with pytest.raises(UsageError, match=r"different labels: only .*labels has up; only .*artifact has right\."):
        measure(labels, tiny_study.artifact, seconds=1)
    file = tiny_study.job.with_name("given.onnx")
    with pytest.raises(UsageError, match=r"neither .*given\.onnx nor .*given\.onnx is an artifact or a study, so that it is not known how"):
        compare(file, file)
    with pytest.raises(UsageError, match=r"builtin:mlp is trained by a job; there is nothing to measure yet"):
        measure(tiny_study.artifact, "builtin:mlp", seconds=1)


def test_labels_of_a_model_that_names_its_own(tiny_study: TinyStudy) -> None:
    from paredown.core.job import ModelSpec
    from paredown.measuring.as_given import _labels

    spec = ModelSpec(kind="huggingface", value="there")
    assert _labels(("b", "a"), ["a", "b"], spec) == ["b", "a"]
    assert _labels(("LABEL_0", "LABEL_1"), ["a", "b"], spec) == ["a", "b"]
    with pytest.raises(UsageError, match=r"there answers with a, c; the artifact with a, b\."):
        _labels(("a", "c"), ["a", "b"], spec)


def test_wrong_files_and_columns_say_what_is_there(tiny_study: TinyStudy, noisy: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a label column needs rows to ask and a second model"):
        measure(tiny_study.artifact, label="right", seconds=1)
    with pytest.raises(BadData, match=r"has no array 'rihgt'; it has X, right\. Did you mean 'right'"):
        measure(tiny_study.artifact, tiny_study.folder, data=noisy, label="rihgt", seconds=1)
    np.savez(tmp_path / "strange.npz", X=tiny_rows(6, 1)[0], y=np.asarray(["left", "right", "up"] * 2))
    with pytest.raises(BadData, match=r"up"):
        measure(tiny_study.artifact, tiny_study.folder, data=tmp_path / "strange.npz", label="y", seconds=1)
    with pytest.raises(UnknownName, match=r"no metric 'acuracy'\. Did you mean 'accuracy'"):
        measure(tiny_study.artifact, tiny_study.folder, data=noisy, label="right", metric="acuracy", seconds=1)
    with pytest.raises(UsageError, match=r"nowhere does not exist"):
        compare(tiny_study.artifact, tmp_path / "nowhere")
    with pytest.raises(BadModel, match=r"lost\.onnx does not exist"):
        measure(tiny_study.artifact, tmp_path / "lost.onnx", seconds=1)
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(BadModel, match=r"text\.onnx is not a valid ONNX model"):
        compare(tiny_study.artifact, tmp_path / "text.onnx", seconds=1)
    broken = rewritten(tiny_study.artifact, tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"spoiled")
    with pytest.raises(Damaged, match=r"model\.onnx cannot be opened by onnxruntime"):
        compare(broken, tiny_study.artifact, seconds=1)


def test_a_rate_has_to_be_above_zero_and_goes_with_single_requests(tiny_study: TinyStudy) -> None:
    with pytest.raises(UsageError, match=r"the rates are 0 /s and batch is 1; requests arrive one by one, above 0 and up to 1e\+06 /s\."):
        measure(tiny_study.artifact, rates=[0.0], seconds=1)
    with pytest.raises(UsageError, match=r"the rates are 5 /s and batch is 8"):
        measure(tiny_study.artifact, rates=[5.0], batch=8, seconds=1)


def test_a_minute_is_spent_on_many_short_windows_of_many_starts() -> None:
    plan = plan_of(60.0, 3)
    assert (plan.rounds, plan.window_s, plan.sittings) == (200, 0.1, 12)
    assert plan_of(20.0, 3).sittings == 1
    served = plan_of(60.0, 3, 5.0)
    assert (served.rounds, served.window_s, served.rate) == (5, 4.0, 5.0)
