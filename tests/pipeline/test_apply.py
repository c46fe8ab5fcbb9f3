"""One recipe built inside a study: what its user names runs, what the study of somebody else names does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from paredown.core.errors import NotTrusted
from paredown.pipeline.apply import apply
from paredown.pipeline.story import run
from paredown.study.ledger import Ledger
from tiny_study import TinyStudy, shorten, write_tiny_job

FOREIGN = 'distill(student="stranger:net", epochs=1)'


@pytest.mark.slow
def test_what_a_ledger_names_runs_when_the_user_names_it_too(
    tiny_study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, tmp_path / "state")
    job = write_tiny_job(tmp_path, search="{exclude: [prune_channels, recover, cascade, quantize_static, drop_layers]}")
    study = Path(shutil.copytree(tiny_study.folder, tmp_path / "study"))
    shutil.rmtree(study / "evidence")
    (tmp_path / "stranger.py").write_text(
        f"import torch\n\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n\n\ndef net():\n    return torch.nn.Linear(8, 3)\n"
    )
    with Ledger.open(study / "ledger.sqlite") as ledger:
        done = next(item for item in ledger.records("trial") if "quantize_dynamic" in item.value["recipe"])
        best = json.loads(json.dumps(done.value)) | {"recipe": f"{FOREIGN} @ onnxruntime(threads=1)", "drop": {"drop": 0.0}}
        best["ratios"]["size"]["value"] = 50.0
        ledger.add("trial", f"candidate: {FOREIGN} @ onnxruntime within 1 s and 1 B", best)
    with pytest.raises(NotTrusted, match=r"student='stranger:net'\): .* is not called"):
        run(job, study)
    assert not (tmp_path / "ran").exists()
    assert apply(f"{FOREIGN} > quantize_dynamic() @ onnxruntime", job, study).trial.state == "done"
    assert (tmp_path / "ran").exists()
