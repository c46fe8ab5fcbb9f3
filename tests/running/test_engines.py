"""The same graph on two engines: both are tried and shown, what takes less is chosen, and no process of the run reaches out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.artifact.load import load
from paredown.core.errors import MissingExtra, UsageError
from paredown.ground.lazy import missing
from paredown.running.story import run
from tiny_study import NAMES, TinyStudy, shorten, tiny_rows, write_tiny_job

HOOK = """
import os, sys
def _hook(event, arguments):
    if event.startswith("socket.") and event != "socket.__new__":
        with open(os.environ["REACHED"], "a") as file:
            file.write(f"{sys.argv} {event} {arguments}\\n")
sys.addaudithook(_hook)
"""


def both(
    folder: Path, minimize: str, search: str = "{exclude: [cascade, distill, prune_channels, recover, distill_to_mlp, prune_trees]}"
) -> Path:
    """The tiny job, to be deployed on either engine."""
    job = write_tiny_job(folder, f"{{minimize: {minimize}, rules: [{{quality: {{drop: 5 %}}}}]}}", search)
    job.write_text(job.read_text().replace("runtimes: [onnxruntime]", "runtimes: [onnxruntime, openvino]"))
    return job


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """(study, its result.json, what any of its processes sent or asked of a network), from a fresh home outside of any CI."""
    if missing("openvino", "a test") is not None:
        pytest.skip("the extra openvino is not installed")
    folder = tmp_path_factory.mktemp("engines")
    (folder / "hook").mkdir()
    (folder / "home").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(HOOK)
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch, folder / "state")
        for name in ("CI", "TF_BUILD", "JENKINS_URL", "NNCF_CI", "ORT_DISABLE_TELEMETRY", "PYTEST_CURRENT_TEST"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(folder / "home"))
        patch.setenv("REACHED", str(folder / "reached"))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "hook"), *filter(None, [os.environ.get("PYTHONPATH")])]))
        subprocess.run([sys.executable, "-c", "import socket; socket.socket().close(); socket.gethostbyname('127.0.0.1')"], check=True)
        assert "gethostbyname" in (folder / "reached").read_text()  # the hook works
        (folder / "reached").unlink()
        result = run(both(folder, "size"), folder / "study")
    reached = (folder / "reached").read_text() if (folder / "reached").exists() else ""
    assert [str(path) for path in (folder / "home").rglob("*") if path.is_file()] == []
    return result.folder, json.loads((result.folder / "result.json").read_text()), reached


def test_result_json_shows_both_engines_with_trials_threads_and_readings(tried: tuple[Path, dict[str, Any], str]) -> None:
    _, result, _ = tried
    found = {entry["name"]: entry for entry in result["runtimes"]}
    assert found["torch"] == {"name": "torch", "reason": "`deploy: {runtimes: ...}` does not name it."}
    for name in ("onnxruntime", "openvino"):
        entry = found[name]
        tried_on = [trial for trial in result["trials"] if f"@ {name}" in trial["recipe"] and trial["role"] != "baseline"]
        assert entry["reason"] is None
        assert len(tried_on) >= 3  # as given, quantize_static, quantize_dynamic
        assert (entry["trials"], entry["failed"]) == (len(tried_on), sum(trial["state"] == "failed" for trial in tried_on))
        assert entry["as_given"]["recipe"] == f"as_given @ {name}(threads={entry['as_given']['threads']})"
        for side in (entry["as_given"], entry["best"]):
            assert side["quality"] == 1.0
            assert {"cpu_time", "latency_p50", "size"} <= set(side["readings"])
            assert side["ratios"]["size"]["value"] > 0
        assert entry["best"]["ratios"]["size"]["value"] >= entry["as_given"]["ratios"]["size"]["value"]


def test_the_engine_with_the_least_of_what_is_minimized_is_chosen(tried: tuple[Path, dict[str, Any], str]) -> None:
    study, result, _ = tried
    best = {entry["name"]: entry["best"]["readings"]["size"]["value"] for entry in result["runtimes"] if entry["reason"] is None}
    assert result["chosen"]["runtime"] == min(best, key=lambda name: best[name])
    with load(study / "artifact") as model:
        assert model.predict(tiny_rows(9, 5)[0]) == np.asarray(NAMES)[tiny_rows(9, 5)[1]].tolist()


def test_what_runs_in_eight_bits_on_one_engine_only_fails_on_the_other_with_the_reason(tried: tuple[Path, dict[str, Any], str]) -> None:
    _, result, _ = tried
    trials = {trial["recipe"].partition("(threads")[0]: trial for trial in result["trials"]}
    assert trials["quantize_dynamic() @ onnxruntime"]["state"] == "done"
    assert trials["quantize_static() @ openvino"]["state"] == "done"
    failed = trials["quantize_dynamic() @ openvino"]
    assert failed["state"] == "failed"
    assert failed["reason"].startswith("openvino computes DynamicQuantizeLinear, MatMulInteger in fp32")


def test_no_process_of_the_run_reaches_out(tried: tuple[Path, dict[str, Any], str]) -> None:
    assert tried[2] == ""


def test_an_engine_that_is_not_installed_is_said_before_anything_is_spent(
    tiny_study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paredown.runtimes import openvino

    monkeypatch.setattr(openvino, "missing", lambda module, purpose: str(MissingExtra("openvino", "openvino", purpose)))
    with pytest.raises(
        UsageError, match=r"(?s)names openvino, which cannot run here: .* package openvino.*pip install 'paredown\[openvino\]'"
    ):
        run(both(tmp_path, "size"), tmp_path / "study")
    (entry,) = [entry for entry in json.loads((tiny_study.folder / "result.json").read_text())["runtimes"] if entry["name"] == "openvino"]
    assert entry == {"name": "openvino", "reason": "`deploy: {runtimes: ...}` does not name it."}
