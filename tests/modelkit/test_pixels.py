"""Modules that answer for each pixel: one number or all classes, logits or shares; how they learn, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

import segmenters
from paredown.core.errors import BadModel
from paredown.kinds.decode import decoding, make_decoder
from paredown.metrics.miou import Miou
from paredown.modelkit.blueprint import open_folder, open_module, read_blueprint
from paredown.modelkit.lower import to_onnx
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.techniques.distill import Distill
from paredown.techniques.prune_channels import PruneChannels
from paredown.techniques.recover import Recover
from paredown.training import augment, losses
from paredown.training.train import fewer
from paredown.training.trainer import take_baseline, train_baseline

FACTORY = "segmenters:small"
FORMS = {
    (2, ""): "map_logits",
    (2, "flat"): "map_logits",
    (2, "softmax"): "map_probabilities",
    (1, ""): "map_logit",
    (1, "squeezed"): "map_logit",
    (1, "sigmoid"): "map_probability",
}


@pytest.mark.parametrize(("outputs", "end"), FORMS)
def test_what_a_module_gives_is_seen_and_decoded(outputs: int, end: str, tmp_path: Path) -> None:
    context = segmenters.context(tmp_path)
    made = take_baseline(FACTORY, {"outputs": outputs, "end": end}, segmenters.INPUTS, 192, context)
    assert read_blueprint(context.store.folder(made.digest)).answers == FORMS[outputs, end]
    module, _ = open_module(made, context.store)
    images = torch.rand(3, 1, *segmenters.SIDES)
    with torch.no_grad():
        logits, own = module(images), open_folder(context.store.folder(made.digest))(images).numpy()
    assert logits.shape == (3, 2 * 96)
    answers = make_decoder(decoding(context.decode, [FORMS[outputs, end]]))({FORMS[outputs, end]: own})
    np.testing.assert_allclose(answers, make_decoder(context.decode)({"map_logits": logits.numpy()}), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("outputs", "end"), [(2, ""), (1, "sigmoid")])
def test_its_graph_answers_alike(outputs: int, end: str, tmp_path: Path) -> None:
    context = segmenters.context(tmp_path)
    made = take_baseline(FACTORY, {"outputs": outputs, "end": end}, segmenters.INPUTS, 192, context)
    module, _ = open_module(made, context.store)
    images = torch.rand(3, 1, *segmenters.SIDES)
    with torch.no_grad():
        logits = module(images)
    graph = to_onnx(made, context.store, tmp_path)
    session = Onnxruntime().open(context.store.folder(graph.digest), "graph.onnx", {"threads": 1})
    outputs_of = session.run({"input": images.numpy()})
    answers = make_decoder(decoding(context.decode, [*outputs_of]))(outputs_of)
    np.testing.assert_allclose(answers, make_decoder(context.decode)({"map_logits": logits.numpy()}), atol=1e-5)


@pytest.mark.parametrize(
    ("outputs", "end", "text"),
    [
        (
            3,
            "",
            r"a batch of 2 with \(2, 3, 8, 12\); it must be \(2, 2, 8, 12\), or \(2, 1, 8, 12\)\.\n  The data have 2 classes: name them",
        ),
        (2, "last", r"a batch of 2 with \(2, 8, 12, 2\); .*\n  Put the classes behind the batch: `return y\.permute\(0, 3, 1, 2\)`"),
        (2, "small", r"a batch of 2 with \(2, 2, 4, 6\); .*\n  Bring its answer to the size of the images: .*size=\(8, 12\)"),
        (2, "mapping", r"a batch of 2 with a dict; .*\n  Let a module around it return the tensor alone: `return self\.model\(x\)"),
    ],
)
def test_other_answers_are_refused_with_the_way_out(outputs: int, end: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=rf"segmenters:small answers {text}"):
        take_baseline(FACTORY, {"outputs": outputs, "end": end}, segmenters.INPUTS, 192, segmenters.context(tmp_path))


@pytest.mark.parametrize("classes", [2, 3])
def test_it_learns_and_a_cut_one_learns_again(classes: int, tmp_path: Path) -> None:
    context = segmenters.context(tmp_path, classes=classes)
    outputs = 1 if classes == 2 else 3
    settings = {"epochs": 12, "lr": 0.02, "batch": 8, "flip": True}
    made = train_baseline(FACTORY, {"outputs": outputs}, segmenters.INPUTS, classes * 96, settings, context)
    test = segmenters.rows(20, 9, classes)

    def quality(candidate: object) -> float:
        module, _ = open_module(candidate, context.store)  # type: ignore[arg-type]
        with torch.no_grad():
            logits = module(torch.from_numpy(test.inputs[:, None])).numpy()
        return Miou().over_set(test.labels, make_decoder(context.decode)({"map_logits": logits}))

    assert quality(made) > 0.85
    context = replace(context, teacher=made)
    cut = PruneChannels(keep=0.6).apply(made, context)
    assert cut.parameters < 0.7 * made.parameters
    assert "first.0" in cut.note or "second.0" in cut.note  # what is beside itself in a concatenation is cut too
    assert quality(Recover(epochs=6).apply(cut, context)) > 0.7
    student = Distill(student="half", epochs=10).apply(made, context)
    assert quality(student) > 0.6


def test_the_loss_is_cross_entropy_and_dice() -> None:
    draw = np.random.default_rng(0)
    scores, goals = torch.from_numpy(draw.normal(size=(3, 4, 10))), torch.from_numpy(draw.integers(-1, 3, (3, 10)).astype(np.int16))
    there = goals.long() >= 0
    shares = scores.softmax(1).transpose(1, 2)[there]
    right = functional.one_hot(goals.long()[there], 4).double()
    dice = (2 * (shares * right).sum(0) + 1) / (shares.sum(0) + right.sum(0) + 1)
    expected = -(shares.log() * right).sum(1).mean() + 1 - dice[:3].mean()  # nobody has the fourth class
    found = losses.supervised("map", scores.reshape(3, 40), goals, 4)
    assert float(found) == pytest.approx(float(expected), rel=1e-12)
    nothing = losses.supervised("map", scores.reshape(3, 40).requires_grad_(), torch.full((3, 10), -1), 4)
    nothing.backward()
    assert float(nothing.detach()) == 0.0
    same = losses.distillation("map", "kl", scores.reshape(3, 40), scores.reshape(3, 40), 2.0, 4)
    assert float(same) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("last", [False, True])
def test_a_mask_moves_with_its_image(last: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    masks = torch.randint(0, 9, (16, 6 * 10), generator=draw, dtype=torch.int16)
    images = masks.reshape(16, 1, 6, 10).float() * torch.tensor([1.0, -2.0, 3.0]).view(1, 3, 1, 1)
    images = images.permute(0, 2, 3, 1).contiguous() if last else images
    ((moved,), right) = augment.with_masks(
        lambda inputs: augment.batch(augment.mirrored(inputs, draw), draw, blend=False), (images,), masks
    )
    assert moved.shape == images.shape
    assert right.dtype == torch.int16
    assert not torch.equal(right, masks)
    first = moved[..., 0] if last else moved[:, 0]
    torch.testing.assert_close(first.flatten(1), right.float())
    flat = (torch.zeros(4, 60),)
    assert augment.with_masks(lambda inputs: (inputs[0] + 1,), flat, masks[:4])[1] is not None


def test_large_rows_go_in_smaller_steps() -> None:
    assert fewer(64, (3, 32, 32), 1 << 22) == fewer(64, (), 1 << 19) == 64
    assert fewer(64, (256, 256), 1 << 19) == 8
    assert fewer(64, (4096, 4096), 1 << 19) == 1
