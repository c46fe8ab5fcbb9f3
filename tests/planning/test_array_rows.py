"""What `init` makes of arrays without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import UsageError
from paredown.planning import array_rows
from paredown.planning.init import starter
from paredown.testing import tiny

X = np.random.default_rng(0).normal(size=(40, 1, tiny.SIDE, tiny.SIDE)).astype(np.float32)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny._write_graph(Path("tiny.onnx"))
    Path("folder").mkdir()
    for at, row in enumerate(X):
        np.save(f"folder/{at:02}.npy", row)
    np.savez("bare.npz", anything=X)
    np.savez("labeled.npz", X=X, y=np.arange(40) % tiny.CLASSES)
    np.savez("several.npz", one=X, two=X)


def test_rows_without_labels_make_a_job_of_tensors_for_a_classifier_too() -> None:
    for source in ("bare.npz", "folder"):
        found = array_rows.look({"onnx": "tiny.onnx"}, source)
        assert found is not None
        assert (found.why, found.constants, found.missing) == ("the rows have no labels", {}, ())
    assert array_rows.look({"onnx": "tiny.onnx"}, "labeled.npz") is None
    assert array_rows.look({"builtin": "mlp"}, "bare.npz") is None
    assert array_rows.look({"onnx": "tiny.onnx"}, "rows.csv") is None


def test_a_source_alone_is_cut_where_no_labels_are_and_refused_where_they_are() -> None:
    found = starter("tiny.onnx", "", "folder")
    assert "task: tensors" in found.text
    assert "  all: folder    # cut into train" in found.text
    assert "metric: agreement    # needs no labels" in found.text
    assert found.plan is not None
    assert found.plan["rows"]["test"] == 20
    with pytest.raises(UsageError, match=r"there is no `--test`\.\n  Give rows that the model has never seen"):
        starter("tiny.onnx", "", "labeled.npz")


def test_what_the_rows_lack_is_left_to_fill_in() -> None:
    found = array_rows.look({"onnx": "tiny.onnx"}, "bare.npz")
    assert found is not None
    with pytest.raises(
        UsageError, match=r"several\.npz has the arrays one, two; the model takes one, 'input'\.\n  Say which with `inputs:`"
    ):
        starter("tiny.onnx", "several.npz")
