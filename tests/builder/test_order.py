"""Recipes that make no sense are refused before anything is spent, each with what is wrong."""

from __future__ import annotations

import pytest

from paredown.builder.order import check, techniques
from paredown.core.errors import BadKnob, BadRecipe, UnknownName
from paredown.core.recipe import Chain, parse
from paredown.techniques.prune_channels import PruneChannels
from paredown.techniques.recover import Recover

GOOD = [
    "as_given @ torch",
    "as_given @ onnxruntime(threads=4)",
    "quantize_static() @ onnxruntime",
    'distill(student="half") > prune_channels(keep=0.6) > recover(epochs=2) > quantize_static() @ onnxruntime(threads=1)',
    "prune_channels() > recover() > prune_channels(keep=0.3) > recover() > quantize_dynamic() @ onnxruntime",
    "prune_channels() > prune_channels() @ torch",
    "cascade(distill() @ onnxruntime, as_given @ torch, at=0.93)",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_makes_sense_is_taken(text: str) -> None:
    check(parse(text))


BAD = [
    (
        "quantize_static() > quantize_static() @ onnxruntime",
        BadRecipe,
        r"^quantize_static after quantize_static: a model is quantized once\.$",
    ),
    (
        "quantize_static() > recover() @ onnxruntime",
        BadRecipe,
        r"^recover after quantize_static: nothing changes tensors after quantization; put recover first\.$",
    ),
    ("prune_channels() > distill() @ torch", BadRecipe, r"^distill after prune_channels: architecture comes before width\.$"),
    (
        "recover() > prune_channels() > recover() > quantize_static() > prune_channels() @ onnxruntime",
        BadRecipe,
        "^prune_channels after quantize_static: nothing changes tensors after quantization",
    ),
    (
        # a new student throws away what was recovered
        "prune_channels() > recover() > distill() @ torch",
        BadRecipe,
        r"^distill after recover: architecture comes before recover\.$",
    ),
    ("cascade() @ torch", BadRecipe, r"^cascade joins recipes; write cascade\(A @ \.\.\., B @ \.\.\., \.\.\.\)\.$"),
    (
        "recover(as_given @ torch, as_given @ torch)",
        BadRecipe,
        r"^recover does not join recipes; write it as a step of a chain: `\.\.\. > recover\(\) @ engine`\.$",
    ),
    ("cascade(as_given @ torch)", BadRecipe, r"^cascade joins two recipes; found 1\.$"),
    ("cascade(as_given @ torch, as_given @ torch, as_given @ torch)", BadRecipe, r"^cascade joins two recipes; found 3\.$"),
    (
        "cascade(cascade(as_given @ torch, as_given @ torch), as_given @ torch)",
        BadRecipe,
        r"^cascade joins chains; found cascade\(as_given @ torch, as_given @ torch\) inside\.$",
    ),
    ("cascade(recover() > recover(epochs=2) @ torch, quantize_static() > recover() @ torch)", BadRecipe, "^recover after quantize_static"),
    ("prune_chanels() @ torch", UnknownName, r"no technique 'prune_chanels'\. Did you mean 'prune_channels'\?"),
    ("prune_channels(kep=0.5) @ torch", UnknownName, r"no knob of prune_channels 'kep'\. Did you mean 'keep'\?"),
    ("prune_channels() @ tensorrt", UnknownName, r"no runtime 'tensorrt'\."),
    ("prune_channels(keep=1.5) @ torch", BadKnob, r"prune_channels: keep is 1\.5; it needs a number from 0\.02 up to 1\."),
    ("cascade(as_given @ torch, as_given @ torch, at=2)", BadKnob, r"cascade: at is 2; it needs a number from 0 up to 1\."),
]


@pytest.mark.parametrize(("text", "error", "message"), BAD, ids=[text for text, _, _ in BAD])
def test_what_makes_no_sense_is_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check(parse(text))


def test_steps_become_techniques_with_their_knobs() -> None:
    chain = parse("prune_channels(keep=0.25) > recover(epochs=2) @ torch")
    assert isinstance(chain, Chain)
    assert techniques(chain) == [PruneChannels(keep=0.25), Recover(epochs=2)]
