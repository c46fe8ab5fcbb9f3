"""Image classifiers of transformers: packed as ONNX they answer files like the original pipeline, whatever the images' size and mode."""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file

from paredown.artifact.load import load
from paredown.artifact.pack import Label, pack
from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.core.rows import Rows
from paredown.core.technique import Context
from paredown.encoders import feed
from paredown.ground.store import FolderStore
from paredown.modelkit import pretrained
from paredown.modelkit.blueprint import open_module
from paredown.modelkit.lower import to_onnx
from paredown.models import processor
from paredown.models.huggingface import Huggingface
from paredown.tasks.image_classification import ImageClassification
from paredown.training.train import predict

UNIT, TASK = Huggingface(), ImageClassification()
NAMES = ("cat", "dog", "cow")
SMALL = {"num_labels": 3, "id2label": dict(enumerate(NAMES)), "label2id": {name: at for at, name in enumerate(NAMES)}}


def vit(**more: Any) -> tuple[Any, Any]:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = transformers.ViTConfig(image_size=32, patch_size=8, **sizes, **(SMALL | more))
    return transformers.ViTForImageClassification(config), transformers.ViTImageProcessorPil(size={"height": 32, "width": 32})


def resnet() -> tuple[Any, Any]:
    config = transformers.ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", **SMALL)
    return transformers.ResNetForImageClassification(config), transformers.ConvNextImageProcessorPil(
        size={"shortest_edge": 28}, crop_pct=0.875
    )


def mobilenet() -> tuple[Any, Any]:
    config = transformers.MobileNetV2Config(image_size=32, depth_multiplier=0.35, **SMALL)
    sizes = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}
    return transformers.MobileNetV2ForImageClassification(config), transformers.MobileNetV2ImageProcessorPil(**sizes)


def saved(folder: Path, made: tuple[Any, Any]) -> Path:
    model, its_processor = made
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for layer in model.modules():  # running statistics of a trained network are not 0 and 1
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1)
                layer.running_var.uniform_(0.5, 2)
    model.eval().save_pretrained(folder)
    its_processor.save_pretrained(folder)
    return folder


def spec(folder: Path, **options: Any) -> ModelSpec:
    return ModelSpec(kind="huggingface", value=str(folder), options=options)


def pictures() -> list[Image.Image]:
    random, out = np.random.default_rng(0), []
    for at, (mode, depth) in enumerate([("RGB", 3), ("L", 0), ("RGBA", 4), ("RGB", 3), ("L", 0)]):
        size = (20 + 7 * at, 61 - 9 * at)
        out.append(Image.fromarray(random.integers(0, 256, (*size, depth) if depth else size).astype(np.uint8), mode=None).convert(mode))
    return [*out, out[0].convert("P"), out[0].resize((32, 32))]


@pytest.mark.parametrize("head", ["DeiTForImageClassification", "DeiTForImageClassificationWithTeacher"])
def test_of_two_heads_for_one_configuration_the_saved_one_is_built(tmp_path: Path, head: str) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
    model = getattr(transformers, head)(transformers.DeiTConfig(image_size=32, patch_size=8, **sizes, **SMALL)).eval()
    model.save_pretrained(tmp_path / "given")
    arguments, weights = pretrained.unpack(tmp_path / "given", ["pixel_values"], 3, tmp_path, new_head=False)
    module = pretrained.build(**arguments).eval()
    module.load_state_dict(load_file(weights))
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(module(pixels), model(pixels).logits)
    nameless = {key: value for key, value in arguments["config"].items() if key != "architectures"}
    assert type(pretrained.build(nameless, ["pixel_values"], 3).model).__name__ == "DeiTForImageClassification"


def in_files(images: list[Image.Image]) -> np.ndarray:
    out = np.empty(len(images), object)
    for at, image in enumerate(images):
        file = io.BytesIO()
        image.save(file, "PNG")
        out[at] = file.getvalue()
    return out


def rows() -> Rows:
    """Dark, gray and bright images in files of several sizes."""
    random, labels = np.random.default_rng(1), np.arange(60) % 3
    images = [random.integers(90 * at, 90 * at + 60, (30, 33 + place % 5, 3)).astype(np.uint8) for place, at in enumerate(labels)]
    return Rows(inputs=in_files([Image.fromarray(image) for image in images]), labels=labels, names=NAMES, high=255.0)


def prepared(model: ModelSpec, scratch: Path, classes: int = 3) -> tuple[Candidate, Context, dict[str, Any]]:
    spec = TASK.encoder(rows(), UNIT.preprocess(model, scratch, scratch))
    work = scratch / "work"
    work.mkdir()
    context = Context(
        data={"train": rows}, encode=feed.make_encoder(spec),
        decode={"kind": "softmax", "output": "logits", "classes": classes}, teacher=Candidate(digest="none", form="none"),
        ask=lambda feed: None, store=FolderStore(scratch / "store"), seed=0, threads=1, work=work,
    )  # fmt: skip
    return UNIT.prepare(model, scratch, feed.feed_shapes(spec), classes, context), context, spec


@pytest.mark.parametrize("make", [vit, resnet, pytest.param(mobilenet, marks=pytest.mark.slow)])
def test_the_artifact_answers_like_the_original_pipeline(tmp_path: Path, make: Any) -> None:
    folder = saved(tmp_path / "given", make())
    candidate, context, encode = prepared(spec(folder), tmp_path)
    graph = to_onnx(candidate, context.store, context.work)
    label = Label(
        name="photos", task=TASK.name(), recipe="as_given @ onnxruntime(threads=1)", lineage=[], encode=encode,
        decode=TASK.decoder(NAMES, encode), labels=NAMES, isa="avx2",
    )  # fmt: skip
    target = tmp_path / "artifact"
    target.mkdir()
    pack(label, graph, "onnxruntime", {"threads": 1}, TASK.probe(encode, 0), context.store, target)
    pipeline = transformers.pipeline("image-classification", model=str(folder), top_k=None)
    images = pictures()
    expected = [{item["label"]: item["score"] for item in answer} for answer in pipeline(images)]
    paths = [tmp_path / f"{at}.png" for at in range(len(images))]
    for path, image in zip(paths, images):
        image.save(path)
    with load(target) as model:
        found = model.predict_proba(paths)
        answers = model.predict(paths)
    np.testing.assert_allclose(found, [[answer[name] for name in NAMES] for answer in expected], atol=1e-4)
    assert answers == [max(answer, key=answer.get) for answer in expected]
    manifest = json.loads((target / "artifact.json").read_text())
    assert any(package.startswith("pillow>=") for package in manifest["requires"]["packages"])


def test_a_new_head_is_trained_by_the_job(tmp_path: Path) -> None:
    folder = saved(tmp_path / "given", vit(num_labels=1000, id2label=None, label2id=None))
    model = spec(folder, finetune={"epochs": 12, "lr": 3e-3, "batch": 20})
    assert UNIT.labels(model, tmp_path) == ()
    candidate, context, _ = prepared(model, tmp_path)
    module, blueprint = open_module(candidate, context.store)
    assert list(blueprint.inputs) == ["pixel_values"]
    assert (predict(module, context.encode(rows().inputs)).argmax(1).numpy() == rows().labels).mean() > 0.9


def test_labels_are_the_models_and_another_width_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "given", vit())
    assert UNIT.labels(spec(folder), tmp_path) == NAMES
    with pytest.raises(BadModel, match=r"given answers with 3 numbers per row; the data need 4"):
        prepared(spec(folder), tmp_path, classes=4)


def test_the_digest_follows_the_processor(tmp_path: Path) -> None:
    folder = saved(tmp_path / "given", vit())
    before = UNIT.digest(spec(folder), tmp_path)
    transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}, resample=3).save_pretrained(folder)
    assert UNIT.digest(spec(folder), tmp_path) != before


def refused(folder: Path, its_processor: Any, channels: int = 3) -> str:
    its_processor.save_pretrained(folder)
    with pytest.raises(BadModel) as caught:
        processor.options_of(folder, channels)
    return str(caught.value)


def test_a_processor_that_does_something_else_is_refused_by_name(tmp_path: Path) -> None:
    more = "does more than resize, cut, scale and normalize.\n  Write what it does under `preprocess:` in the job: mode, resize"
    # channels in reverse; a second normalization
    assert more in refused(tmp_path, transformers.MobileViTImageProcessorPil())
    assert more in refused(tmp_path, transformers.EfficientNetImageProcessorPil())
    assert "sizes images by longest_edge" in refused(tmp_path, transformers.ViTImageProcessorPil(size={"longest_edge": 30}))
    text = "keeps the proportions of images and does not cut them, so that they have no one size"
    assert text in refused(tmp_path, transformers.ViTImageProcessorPil(size={"shortest_edge": 30}))
    assert "takes images of 4 channels" in refused(tmp_path, transformers.ViTImageProcessorPil(), channels=4)
    (tmp_path / processor.FILE).write_text("{")
    with pytest.raises(BadModel, match=re.escape(f"{tmp_path}: the image processor cannot be opened: ")):
        processor.options_of(tmp_path, 3)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: transformers.ViTImageProcessorPil(do_resize=False, do_normalize=False), {"mode": "RGB", "scale": 1 / 255}),
        (
            lambda: transformers.ViTImageProcessorPil(do_rescale=False, image_mean=[9.0] * 3, image_std=[2.0] * 3),
            {"resize": [224, 224], "resample": "bilinear", "scale": 1.0, "mean": [9.0] * 3, "std": [2.0] * 3},
        ),
        (lambda: transformers.ConvNextImageProcessorPil(size={"shortest_edge": 384}), {"resize": [384, 384], "resample": "bicubic"}),
    ],
)
def test_what_a_processor_does_becomes_options(tmp_path: Path, made: Any, expected: dict[str, Any]) -> None:
    made().save_pretrained(tmp_path)
    found = processor.options_of(tmp_path, 3)
    assert {key: found[key] for key in expected} == expected
    assert found["input"] == "pixel_values"
