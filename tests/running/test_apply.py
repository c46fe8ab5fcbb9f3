"""One recipe built inside a study: what its user names runs, what the study of somebody else names does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from paredown.core.errors import BadRecipe, NotTrusted, ParedownError, UnknownName, UsageError
from paredown.ground import digests
from paredown.running.apply import apply
from paredown.running.story import run
from paredown.study.ledger import Ledger
from tiny_study import TinyStudy, shorten, write_tiny_job

FOREIGN = 'distill(student="stranger:net", epochs=1)'


@pytest.mark.slow
def test_what_a_ledger_names_runs_when_the_user_names_it_too(
    tiny_study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, tmp_path / "state")
    job = write_tiny_job(
        tmp_path, search="{exclude: [prune_channels, recover, cascade, quantize_static, drop_layers, quantize_embeddings]}"
    )
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


def test_apply_builds_exactly_one_recipe_and_leaves_test_closed(tiny_study: TinyStudy, tmp_path: Path, monkeypatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    copy = Path(shutil.copytree(tiny_study.folder, tmp_path / "copy"))
    found = apply("as_given @ onnxruntime(threads=1)", tiny_study.job, copy, tmp_path / "out")
    assert found.trial.recipe == "as_given @ onnxruntime(threads=1)"
    assert digests.of_folder(tmp_path / "out") == found.trial.artifact
    assert (found.trial.quality, found.trial.drop["drop"]) == (1.0, 0.0)
    assert found.json()["confirmed"] is False
    with Ledger.open(copy / "ledger.sqlite", read_only=True) as ledger:
        assert len(ledger.records("test_read")) == 2  # of the run before
    again = apply("as_given @ onnxruntime(threads=1)", tiny_study.job, copy)
    assert again.folder == copy / "applied"
    assert again.trial.id == found.trial.id
    with pytest.raises(ParedownError, match=r"could not be built: prune_channels works on a model in torch form"):
        apply("prune_channels() @ onnxruntime", tiny_study.job, copy)


def test_apply_refuses_before_anything_is_spent(tiny_study: TinyStudy, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"mine is not empty and holds no artifact; it is kept"):
        apply("as_given @ onnxruntime", tiny_study.job, tmp_path / "study", tmp_path / "mine")
    with pytest.raises(UsageError, match=r"thesis\.txt is a file; an artifact is a folder"):
        apply("as_given @ onnxruntime", tiny_study.job, tmp_path / "study", tmp_path / "mine" / "thesis.txt")
    with pytest.raises(UnknownName, match=r"no technique 'quantise_dynamic'\. Did you mean 'quantize_dynamic'\?"):
        apply("quantise_dynamic() @ onnxruntime", tiny_study.job, tmp_path / "study")
    with pytest.raises(BadRecipe, match=r"recipe, column 10: found 'the end', expected @"):
        apply("as_given @"[:9], tiny_study.job, tmp_path / "study")
    assert not (tmp_path / "study").exists()
