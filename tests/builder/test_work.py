"""A rehearsal refuses a model that answers NaN (numbers: tests/planning/test_estimate.py); what is not foreseen is a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.builder import work
from paredown.core.errors import BadModel, Unfit
from paredown.core.rows import Rows
from paredown.rows.rowfile import write_rows
from paredown.techniques.quantize_dynamic import QuantizeDynamic


def build_of(folder: Path) -> dict[str, Any]:
    sketch = {"name": "n", "task": "t", "encode": {"kind": "vector", "input": "input", "width": 2}}
    sketch |= {
        "decode": {"kind": "softmax", "output": "logits", "classes": 2},
        "labels": ["a", "b"],
        "store": str(folder / "store"),
        "artifacts": "",
        "data": {},
    }
    return sketch | {"seed": 0, "threads": 1, "isa": "", "probe": "", "files": "", "teacher": {}}


def test_nan_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from paredown.builder import build_spec

    write_rows(Rows(inputs=np.zeros((3, 2), np.float32), labels=None), tmp_path / "asked.npz")

    def nan(*_: object) -> object:
        raise ValueError("the model's output holds NaN or infinite values in 1 of 1 rows, first in row 0.")

    monkeypatch.setattr(work, "baseline", lambda *_, **__: {"digest": "d", "form": "onnx", "parameters": 1, "note": ""})
    monkeypatch.setattr(build_spec, "_answers", nan)
    sketch = build_of(tmp_path)
    entry = {"kind": "onnx", "value": "m.onnx", "options": {}}
    with pytest.raises(BadModel, match=r"the model as given: the model's output holds NaN"):
        work.rehearse({}, build_spec=sketch, spec=entry, folder="", inputs={}, classes=2, rows=str(tmp_path / "asked.npz"))


def test_what_a_technique_does_not_foresee_is_a_sentence_that_names_the_line(tmp_path: Path, monkeypatch, capfd) -> None:
    (tmp_path / "forward.py").write_text("def forward():\n    raise RuntimeError('sizes [1]\\nand much more')\n")
    monkeypatch.syspath_prepend(tmp_path)

    def applied(*_: object) -> None:
        import forward

        forward.forward()

    monkeypatch.setattr(QuantizeDynamic, "apply", applied)
    given = {"digest": "d", "form": "onnx", "parameters": 1, "note": ""}
    with pytest.raises(Unfit, match=r"^quantize_dynamic does not get through this model in forward\.py:2: RuntimeError: sizes \[1\]\.$"):
        work.apply({}, build_spec=build_of(tmp_path), name="quantize_dynamic", values={}, candidate=given)
    assert "Traceback" in capfd.readouterr().err
