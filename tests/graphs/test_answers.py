"""Logits and probabilities are told apart by one check, whatever they come from; softmax is never applied twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from paredown.artifact.load import load
from paredown.builder import work
from paredown.core.job import ModelSpec
from paredown.core.technique import Context
from paredown.graphs import answers
from paredown.graphs.answers import LOGITS, PROBABILITIES, held
from paredown.ground import registry, trust
from paredown.ground.store import FolderStore
from paredown.kinds import decode
from paredown.modelkit.blueprint import open_module, read_blueprint
from paredown.modelkit.lower import to_onnx
from paredown.testing import tiny
from paredown.training.trainer import take_baseline

INPUTS = {tiny.FEED: (1, tiny.SIDE, tiny.SIDE)}
DECODE = {"kind": "softmax", "output": "logits", "classes": 3}


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_names_are_those_that_an_artifact_decodes_by() -> None:
    assert decode.PROBABILITIES == PROBABILITIES
    assert decode.decoding(DECODE, [PROBABILITIES]) == DECODE | {"kind": "probabilities", "output": PROBABILITIES}
    assert decode.decoding(DECODE, [LOGITS, PROBABILITIES]) == DECODE == decode.decoding(DECODE, ["scores"])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 40), gain=st.floats(0.05, 30), form=st.sampled_from(["<f2", "<f4", "<f8"]))
def test_shares_of_one_are_probabilities_and_what_they_come_from_are_not(seed: int, classes: int, gain: float, form: str) -> None:
    values = gain * np.random.default_rng(seed).normal(size=(24, classes))
    shares = softmax(values)
    assert held(shares.astype(form).astype(np.float64)) == PROBABILITIES
    assert held(values) == LOGITS
    assert held(np.log(np.maximum(shares, 1e-30)), "LogSoftmax") == LOGITS
    centered = values - values.mean(axis=1, keepdims=True) + 1 / classes
    assert np.allclose(centered.sum(axis=1), 1)
    assert held(centered) == LOGITS or centered.min() >= 0  # adds up to 1, but with entries below 0
    steps = np.round(255 * shares) / 255
    assert held(steps, "Softmax") == PROBABILITIES


@pytest.mark.parametrize("digits", [2, 3])
def test_shares_that_were_rounded_or_are_all_zero_in_a_row_are_probabilities(digits: int) -> None:
    shares = np.round(np.random.default_rng(0).dirichlet(np.ones(4), 50), digits)
    shares[7] = 0
    assert held(shares) == PROBABILITIES
    assert held(np.zeros((8, 4))) == LOGITS


def test_numbers_from_0_to_1_that_do_not_add_up_are_logits_unless_sigmoids_made_them() -> None:
    values = np.random.default_rng(0).uniform(0, 1, (30, 3))
    assert held(values) == held(values, "Gemm") == held(values, "Softmax") == LOGITS
    assert held(values, "Sigmoid") == PROBABILITIES
    assert held(values[:, :1], "Sigmoid") == LOGITS  # one number is no share of anything
    assert held(np.full((4, 3), np.nan), "Softmax") == LOGITS


def context(place: Path) -> Context:
    """Rows of two numbers."""
    rows = replace(tiny.rows(), inputs=np.random.default_rng(3).uniform(0.1, 0.4, (96, 2)).astype(np.float32))
    return replace(tiny.context(place), data={"train": lambda: rows}, encode=lambda inputs: {"input": np.asarray(inputs)})


def test_made_up_rows_tell_a_regression_on_shares_from_probabilities(tmp_path: Path) -> None:
    def ask(given: dict[str, np.ndarray]) -> np.ndarray:
        values = given["input"]
        return np.stack([values[:, 0], 1 - values[:, 0]], axis=1)  # shares on every row of the job, below 0 far from them

    assert answers.detect(ask, {"input": (2,)}, context(tmp_path)) == LOGITS
    assert answers.detect(lambda given: softmax(ask(given)), {"input": (2,)}, context(tmp_path / "soft")) == PROBABILITIES


def test_a_model_of_single_rows_is_asked_one_by_one_and_one_that_cannot_be_asked_is_taken_by_its_end(tmp_path: Path) -> None:
    def single(given: dict[str, np.ndarray]) -> np.ndarray:
        (row,) = given["input"]
        return softmax(row[None])

    def never(given: dict[str, np.ndarray]) -> np.ndarray:
        raise RuntimeError("no")

    assert answers.detect(single, {"input": (2,)}, context(tmp_path)) == PROBABILITIES
    assert [answers.detect(never, {"input": (2,)}, context(tmp_path / end), end) for end in ("Softmax", "Gemm")] == [PROBABILITIES, LOGITS]


class Soft(nn.Module):
    """Answers with what `last` makes of an mlp's logits."""

    def __init__(self, last: str) -> None:
        super().__init__()
        self.net, self.last = tiny.mlp(), last

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = self.net(images)
        return {
            "softmax": lambda: values.softmax(1),
            "module": lambda: nn.Softmax(dim=-1)(values),
            "reshaped": lambda: values.softmax(1).unsqueeze(1).squeeze(1),
            "by hand": lambda: values.exp() / values.exp().sum(1, keepdim=True),
            "sigmoid": lambda: values.sigmoid(),
            "log": lambda: values.log_softmax(1),
            "none": lambda: values,
        }[self.last]()


def soft(last: str) -> nn.Module:
    """The factory, with the weights of the tiny mlp."""
    module = Soft(last)
    first, shift, second, head = map(torch.from_numpy, tiny.weights())
    module.net.load_state_dict({"1.weight": first.T, "1.bias": shift, "3.weight": second.T, "3.bias": head})
    return module


def wanted(last: str, images: np.ndarray) -> np.ndarray:
    values = tiny.logits({tiny.FEED: images})
    if last != "sigmoid":
        return softmax(values)
    each = 1 / (1 + np.exp(-values.astype(np.float64)))
    return each / each.sum(axis=1, keepdims=True)


ENDS = ("softmax", "module", "reshaped", "by hand", "sigmoid", "log", "none")


@pytest.mark.parametrize("last", ENDS)
def test_a_module_answers_with_its_own_probabilities_as_it_is_as_a_graph_and_to_techniques(tmp_path: Path, last: str) -> None:
    given = tiny.context(tmp_path)
    taken = take_baseline(f"{__name__}:soft", {"last": last}, INPUTS, 3, given)
    folder = given.store.folder(taken.digest)
    assert read_blueprint(folder).answers == (LOGITS if last in ("log", "none") else PROBABILITIES)
    images = np.random.default_rng(1).normal(size=(9, 1, 6, 6)).astype(np.float32)
    module, _ = open_module(taken, given.store)
    with torch.no_grad():
        felt = module(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(softmax(felt), wanted(last, images), atol=1e-6)
    assert sorted(module.state_dict()) == sorted(soft(last).state_dict())  # surgeries and weights find their layers
    if last == "softmax":  # an export takes seconds
        lowered = to_onnx(taken, given.store, tmp_path / "lowered")
        for candidate, engine in ((taken, "torch"), (lowered, "onnxruntime")):
            unit, place = registry.get("runtimes", engine)(), tmp_path / engine
            place.mkdir()
            exported = unit.export(candidate, given.store, place)
            session = unit.open(place, exported["file"], {"threads": 1})
            found = decode.make_decoder(decode.decoding(DECODE, exported["outputs"]))(session.run({tiny.FEED: images}))
            np.testing.assert_allclose(found, wanted(last, images), atol=1e-6)


def build_spec(root: Path, data: dict[str, str]) -> dict[str, object]:
    from paredown.builder.build_spec import BuildSpec
    from paredown.rows.rowfile import write_rows

    write_rows(replace(tiny.rows(4), labels=None), root / "probe.npz")
    image = {"kind": "image", "input": tiny.FEED, "shape": [6, 6], "scale": 1 / 16, "mean": 0.0, "std": 1.0, "layout": "nchw"}
    same = {"name": "soft", "task": "image-classification", "encode": image, "decode": DECODE, "data": data}
    places = {"store": str(root / "store"), "artifacts": str(root / "artifacts"), "probe": str(root / "probe.npz")}
    return BuildSpec(labels=["a", "b", "c"], seed=0, threads=1, isa="avx2", **same, **places).json()


def test_recovery_distillation_and_a_cascade_keep_what_each_model_answers_with(tmp_path: Path) -> None:
    """Through the builder's own verbs: a softmax at the end stays there; a student may answer with logits; a cascade has one of each."""
    from paredown.rows.rowfile import write_rows

    rows = tiny.rows()
    write_rows(rows, tmp_path / "train.npz")
    plain = build_spec(tmp_path, {"train": str(tmp_path / "train.npz"), "calibration": str(tmp_path / "train.npz")})
    spec = ModelSpec(
        kind="python",
        value=f"{__name__}:soft",
        options={"arguments": {"last": "softmax"}, "train": {"epochs": 100, "lr": 0.01, "batch": 32}},
    )
    given = work.baseline({}, build_spec=plain, spec=spec.__dict__, folder="", inputs=INPUTS, classes=3)
    taught = plain | {"teacher": given}

    def apply(name: str, **values: object) -> dict[str, object]:
        return work.apply({}, build_spec=taught, name=name, values=values, candidate=given)

    def packed(candidate: dict[str, object], engine: str) -> str:
        return work.pack({}, build_spec=taught, recipe="x", lineage=[], candidate=candidate, runtime=engine, placement={"threads": 1})

    made = {
        "given": packed(given, "torch"),
        "recovered": packed(apply("recover", epochs=2), "torch"),
        "pruned": packed(apply("prune_channels", keep=0.6, round_to=1), "torch"),
        "half": packed(apply("distill", epochs=60, batch=32, lr=0.01), "torch"),
    }
    with trust.trusting(["paredown.testing.tiny:mlp"]):
        made["student"] = packed(apply("distill", student="paredown.testing.tiny:mlp", epochs=60, batch=32, lr=0.01), "torch")
    images = rows.inputs[:48]
    store, shown = FolderStore(tmp_path / "artifacts"), {}
    for name, digest in made.items():
        with load(store.folder(digest)) as model:
            shown[name] = model.predict_proba(images)
            assert model.manifest["decode"]["kind"] == ("softmax" if name == "student" else "probabilities")
    nats = {name: float(-np.log(found[np.arange(48), rows.labels[:48]]).mean()) for name, found in shown.items()}
    assert nats.pop("pruned") < 1.0  # nothing recovered it
    assert max(nats.values()) < 0.2, nats  # a softmax of a softmax is never below 0.55 with three classes
    first, second = made["student"], made["given"]
    joined = work.join({}, build_spec=taught, recipe="x", lineage=[], program={"kind": "cascade", "at": 0.97}, parts=[first, second])
    with load(store.folder(joined)) as model:
        sure = shown["student"].max(axis=1) >= 0.97
        np.testing.assert_allclose(model.predict_proba(images), np.where(sure[:, None], shown["student"], shown["given"]), atol=1e-6)
        assert sure.any()
