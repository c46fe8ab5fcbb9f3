"""Students come closer to their teacher, and a cut model gets back what the cut took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from paredown.core.candidate import Candidate
from paredown.core.technique import Context
from paredown.modelkit.blueprint import open_module
from paredown.techniques.distill import Distill
from paredown.techniques.prune_channels import PruneChannels
from paredown.techniques.recover import Recover
from paredown.testing import tiny
from paredown.testing.contracts import check_technique
from paredown.training.losses import distillation

FEED = torch.from_numpy(tiny.encode(tiny.rows(90, 7).inputs)[tiny.FEED])


def test_distill_contract(tmp_path: Path) -> None:
    check_technique(Distill, tmp_path, epochs=1)


def test_distill_contract_with_a_function_and_mse(tmp_path: Path) -> None:
    check_technique(Distill, tmp_path, network="mlp", epochs=1, loss="mse", student="paredown.testing.tiny:mlp")


def test_recover_contract(tmp_path: Path) -> None:
    check_technique(Recover, tmp_path, epochs=1)


def distance(candidate: Candidate, given: Candidate, context: Context) -> float:
    """How far the answers on fresh rows are from the teacher's."""
    mine, goal = (open_module(item, context.store)[0](FEED) for item in (candidate, given))
    return float(distillation("class", "kl", mine, goal, 1.0).detach())


def test_recovery_brings_a_cut_model_back_to_its_teacher(prepared: Any, tmp_path: Path) -> None:
    given, _, context_at = prepared
    context = context_at(tmp_path)
    cut = PruneChannels(keep=0.25, round_to=1).apply(given, context)
    back = Recover(epochs=10, batch=32, lr=5e-3).apply(cut, context)
    assert back.parameters == cut.parameters
    assert distance(back, given, context) < distance(cut, given, context) / 2
    assert "learned 10 epochs on 96 rows" in back.note


def test_more_epochs_bring_a_student_closer(prepared: Any, tmp_path: Path) -> None:
    given, _, context_at = prepared
    context = context_at(tmp_path)
    short, long = (Distill(epochs=epochs, batch=32).apply(given, context) for epochs in (1, 20))
    assert long.parameters == short.parameters < given.parameters / 2
    assert distance(long, given, context) < distance(short, given, context)
    other = Distill(epochs=1, batch=32, alpha=1.0).apply(given, context)
    assert other.digest != short.digest


def test_a_student_by_share_needs_tensors_and_one_from_a_function_does_not() -> None:
    graph = Candidate(digest="0", form="onnx")
    assert Distill().fits(graph) == "distill works on a model in torch form; this one is in onnx form."
    assert Distill(student="my.nets:build").fits(graph) is None
