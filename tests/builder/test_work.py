"""A rehearsal refuses a model that answers NaN; see tests/planning/test_estimate.py for the numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paredown.builder import work
from paredown.core.errors import BadModel
from paredown.core.rows import Rows
from paredown.rows.rowfile import write_rows


def test_nan_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from paredown.builder import build_spec

    write_rows(Rows(inputs=np.zeros((3, 2), np.float32), labels=None), tmp_path / "asked.npz")

    def nan(*_: object) -> object:
        raise ValueError("the model's output holds NaN or infinite values in 1 of 1 rows, first in row 0.")

    monkeypatch.setattr(work, "baseline", lambda *_, **__: {"digest": "d", "form": "onnx", "parameters": 1, "note": ""})
    monkeypatch.setattr(build_spec, "_answers", nan)
    sketch = {"name": "n", "task": "t", "loss": "cross_entropy", "encode": {"kind": "vector", "input": "input", "width": 2}}
    sketch |= {"decode": {}, "labels": ["a", "b"], "store": str(tmp_path / "store"), "artifacts": "", "data": {}}
    sketch |= {"seed": 0, "threads": 1, "isa": "", "probe": "", "files": "", "teacher": {}}
    entry = {"kind": "onnx", "value": "m.onnx", "options": {}}
    with pytest.raises(BadModel, match=r"the model as given: the model's output holds NaN"):
        work.rehearse({}, build_spec=sketch, spec=entry, folder="", inputs={}, classes=2, rows=str(tmp_path / "asked.npz"))
