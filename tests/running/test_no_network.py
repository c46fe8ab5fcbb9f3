"""A whole run reaches nobody: no network call, no name look-up, in no process of it, through nncf and openvino too."""

from __future__ import annotations

from pathlib import Path

import pytest

from readme_folder import write_hugging_face
from tiny_study import write_tiny_job
from watched import reached

HERE = Path(__file__).parents[1]
SHORT = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import pytest
from pathlib import Path
from paredown.__main__ import main
from tiny_study import shorten
shorten(pytest.MonkeyPatch(), Path("state").resolve())
main(sys.argv[1:])
"""
JOB = """
name: intents
model: {huggingface: my-model}
task: text-classification
data: {train: train.csv, test: test.csv, text: text, label: label}
metric: accuracy
deploy: {runtimes: [onnxruntime, openvino]}
search: {budget: 4 min}
policy: {minimize: energy, rules: [{quality: {drop: 5 %}}]}
"""
ASKS = "import socket, subprocess, sys; subprocess.run([sys.executable, '-c', 'import socket; socket.getaddrinfo(\"a.example\", 80)'])"


def test_a_child_that_looks_a_name_up_is_seen(tmp_path: Path) -> None:
    found = reached(tmp_path, "-c", ASKS)
    assert found.processes == 2
    assert len(found.calls) == 1
    assert "socket.getaddrinfo" in found.calls[0]
    assert found.packets is None or found.packets > 0


@pytest.mark.slow
def test_a_run_through_nncf_and_openvino_reaches_nobody(tmp_path: Path) -> None:
    job = write_tiny_job(tmp_path)
    job.write_text(job.read_text().replace("[onnxruntime]", "[onnxruntime, openvino]"))
    code = tmp_path / "short.py"
    code.write_text(SHORT)
    for words in (
        ("run", job, "--study", "study"),
        ("apply", 'quantize_static(ranges="nncf") @ openvino(threads=1)', job, "--study", "study"),
        ("report", "study"),
        ("verify", "study"),
    ):
        found = reached(tmp_path, code, *words)
        assert found.done.returncode == 0, found.done.stderr
        assert found.calls == [], words
        assert not found.packets, words
    assert found.processes >= 6
    assert "openvino" in (tmp_path / "study/result.json").read_text()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_text_model_of_a_folder_reaches_nobody(tmp_path: Path) -> None:
    """At its own length: transformers, tokenizers, training, both engines."""
    write_hugging_face(tmp_path)
    (tmp_path / "job.yaml").write_text(JOB)
    found = reached(tmp_path, "-m", "paredown", "run", "job.yaml")
    assert found.done.returncode == 0, found.done.stderr
    assert found.calls == []
    assert not found.packets
    assert found.processes >= 4
