"""Keras files: known layers become a torch module that answers as Keras does; others go whole; code in a file is never called."""

from __future__ import annotations

import json
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel, MissingExtra, NotTrusted
from paredown.core.job import ModelSpec
from paredown.core.rows import Rows
from paredown.ground.lazy import missing
from paredown.modelkit.blueprint import open_folder, open_module
from paredown.modelkit.factories import OWN
from paredown.models.keras import Keras, _keras
from paredown.techniques.prune_channels import PruneChannels
from paredown.testing import tiny
from paredown.testing.contracts import check_model_source

pytestmark = pytest.mark.skipif(missing("keras", "a test") is not None, reason="the extra keras is not installed")

SIZE = 12
DRAW = np.random.default_rng(5)


@pytest.fixture(scope="module")
def keras() -> Any:
    """Keras with torch; the same weights in every run."""
    found = _keras()
    found.utils.set_random_seed(3)
    return found


def saved(model: Any, folder: Path, name: str = "model.keras") -> ModelSpec:
    """The model in a file, its statistics and shifts other than those that a new one has."""
    for layer in model._flatten_layers():
        for weight in layer.weights if not hasattr(layer, "operations") else ():
            if weight.name in ("beta", "bias", "moving_mean", "alpha"):
                weight.assign(DRAW.normal(0, 0.3, weight.shape))
            if weight.name in ("moving_variance", "gamma"):
                weight.assign(DRAW.uniform(0.5, 2, weight.shape))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the older format
        model.save(folder / name)
    return ModelSpec(kind="keras", value=name, options={})


def prepare(entry: ModelSpec, folder: Path, shape: tuple[int, ...], classes: int = 3, study: str = "study") -> tuple[Candidate, Any]:
    context = tiny.context(folder / study)
    names = tuple(f"class {at}" for at in range(classes))
    decode = {"kind": "softmax", "output": "logits", "classes": classes}
    data = {"train": lambda: Rows(inputs=DRAW.normal(size=(8, *shape)).astype(np.float32), labels=None, names=names)}
    context = replace(context, data=data, encode=lambda rows: {"input": np.asarray(rows, np.float32)}, decode=decode)
    return Keras().prepare(entry, folder, {"input": shape}, classes, context), context


def alike(model: Any, made: Candidate, context: Any, shape: tuple[int, ...], whole: int = 0) -> None:
    """Hold the stored module against Keras on rows that the opening has not seen."""
    import torch

    rows = DRAW.integers(0, whole, (5, *shape)) if whole else DRAW.normal(0, 2, (5, *shape))
    rows = rows.astype(np.float32)
    module = open_folder(context.store.folder(made.digest))
    with torch.no_grad():
        found = module(torch.from_numpy(rows)).numpy()
        goal = model(torch.from_numpy(rows), training=False).detach().numpy()
    np.testing.assert_allclose(found, goal, rtol=1e-5, atol=2e-6)


def many_layers(keras: Any) -> Any:
    """Images through nearly every layer that is known, on odd and even sizes."""
    layers = keras.layers
    given = keras.Input((SIZE + 1, SIZE, 3), name="photo")
    x = layers.Rescaling(1 / 3, offset=0.1)(given)
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5])(x)
    x = layers.RandomFlip()(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-2)(x)
    x = layers.ReLU(6.0)(x)
    x = layers.Conv2D(8, 4, strides=(2, 1), padding="same", activation="swish")(layers.ZeroPadding2D(((1, 2), (0, 3)))(x))
    side = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="hard_sigmoid")(x)
    side = layers.SeparableConv2D(8, 3, padding="same", dilation_rate=2)(side)
    x = layers.Add()([x, layers.LeakyReLU(0.15)(side)])
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Reshape((1, 1, 8))(gate)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(layers.Dense(4, activation="elu")(gate))
    x = layers.Multiply()([x, gate])
    shared = layers.Conv2D(8, 3, padding="same", groups=2, activation="gelu")
    x = shared(shared(x)) * 0.5 + 1.0 - x
    inner = keras.Sequential([layers.Input((5, 9, 8)), layers.LayerNormalization(), layers.PReLU(shared_axes=[1, 2])], name="inner")
    wide = layers.MaxPooling2D(2, strides=1)(layers.UpSampling2D((2, 1))(layers.ZeroPadding2D(((0, 1), (1, 0)))(x)))
    x = layers.Concatenate()([inner(x), layers.Cropping2D(((0, 6), (0, 0)))(wide)])
    x = layers.GroupNormalization(4)(x)
    x = layers.Average()([layers.MaxPooling2D(3, strides=2, padding="same")(x), layers.AveragePooling2D(2, padding="same")(x)])
    x = layers.SpatialDropout2D(0.2)(layers.Cropping2D(((0, 1), (1, 1)))(x))
    x = layers.Activation("hard_silu")(layers.Dropout(0.5)(layers.Flatten()(x)))
    return keras.Model(given, layers.Softmax()(layers.Dense(3)(x)), name="many")


def test_contract(tmp_path: Path, keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential([layers.Input((1, 6, 6)), layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dense(3)])
    made = check_model_source(Keras(), saved(model, tmp_path), tmp_path, tmp_path / "scratch")
    assert (made.form, made.parameters) == ("torch", 36 * 16 + 16 + 16 * 3 + 3)


def test_known_layers_answer_as_in_keras(tmp_path: Path, keras: Any) -> None:
    model, shape = many_layers(keras), (SIZE + 1, SIZE, 3)
    made, context = prepare(saved(model, tmp_path), tmp_path, shape)
    assert made.form == "torch"
    assert made.note.startswith("The Keras layers were translated to torch: on 16 rows the answers are at most ")
    alike(model, made, context, shape)
    blueprint = open_module(made, context.store)[1]
    assert blueprint.answers == "probabilities"
    OWN[blueprint.factory](json.loads(json.dumps(dict(blueprint.arguments))), "")  # anybody's blueprint may say as much
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert made.parameters == trained


def test_sequences_of_numbers_that_name_something(tmp_path: Path, keras: Any) -> None:
    layers = keras.layers
    steps = [layers.Input((10,), dtype="int32"), layers.Embedding(20, 6), layers.Conv1D(8, 3, padding="causal", activation="tanh")]
    steps += [layers.MaxPooling1D(2), layers.BatchNormalization(), layers.GlobalMaxPooling1D(), layers.Dense(3)]
    entry = saved(keras.Sequential(steps), tmp_path)
    assert Keras().preprocess(entry, tmp_path, tmp_path)["numbers"] == "int64"
    context = tiny.context(tmp_path / "study")
    rows = Rows(inputs=np.arange(80).reshape(8, 10) % 20, labels=None, names=("a", "b", "c"))
    context = replace(context, data={"train": lambda: rows}, encode=lambda given: {"input": np.asarray(given, np.int64)})
    made = Keras().prepare(entry, tmp_path, {"input": (10,)}, 3, context)
    alike(keras.saving.load_model(tmp_path / "model.keras"), made, context, (10,), whole=20)


def test_one_sigmoid_stands_for_two_classes(tmp_path: Path, keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential([layers.Input((5,)), layers.Dense(4, activation="relu"), layers.Dense(1, activation="sigmoid")])
    made, context = prepare(saved(model, tmp_path), tmp_path, (5,), classes=2)
    assert made.note.endswith("Its one probability is taken for that of the second class.")
    rows = DRAW.normal(size=(4, 5)).astype(np.float32)
    import torch

    with torch.no_grad():
        found = open_folder(context.store.folder(made.digest))(torch.from_numpy(rows)).numpy()
        goal = model(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(found, np.hstack([1 - goal, goal]), atol=1e-6)
    with pytest.raises(BadModel, match=r"model\.keras answers with 1 number per row, and the labels have 3 values: regression"):
        prepare(ModelSpec(kind="keras", value="model.keras"), tmp_path, (5,), classes=3, study="more")


def test_layers_that_are_not_known_go_whole(tmp_path: Path, keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential([layers.Input((4, 5)), layers.SimpleRNN(3), layers.Dense(3, activation="softmax")])
    made, _ = prepare(saved(model, tmp_path), tmp_path, (4, 5))
    assert made.form == "onnx"
    said = "The model is taken whole, as an ONNX graph, and its layers cannot be cut: simple_rnn"
    assert made.note.startswith(said)
    assert " is a SimpleRNN." in made.note


def test_channels_can_be_cut(tmp_path: Path, keras: Any) -> None:
    layers = keras.layers
    given = keras.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="first")(given)
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, strides=2, padding="same", name="each")(x))
    x = layers.Add()([x, layers.Conv2D(16, 1, activation="relu")(x)])
    x = layers.Dense(24, activation="relu", name="wide")(layers.Flatten()(layers.MaxPooling2D(2)(x)))
    made, context = prepare(saved(keras.Model(given, layers.Dense(3)(x)), tmp_path), tmp_path, (SIZE, SIZE, 1))
    rows = context.data["train"]
    context = replace(context, data={"calibration": rows, "train": rows})
    cut = PruneChannels(keep=0.4, criterion="magnitude", round_to=1).apply(made, context)
    module, blueprint = open_module(cut, context.store)
    assert {surgery.layer for surgery in blueprint.surgeries} >= {"layers.first", "layers.each.1", "layers.wide"}
    assert sum(value.numel() for value in module.parameters()) < 0.6 * made.parameters


def test_an_older_file_and_its_pixels(tmp_path: Path, keras: Any) -> None:
    layers = keras.layers
    base = keras.Sequential([layers.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3)], name="base")
    given = keras.Input((8, 8, 3))
    model = keras.Model(given, layers.Dense(3, activation="softmax")(layers.GlobalMaxPooling2D()(base(given, training=False))))
    for name in ("model.h5", "model.keras"):
        entry = saved(model, tmp_path, name)
        assert Keras().outputs(entry, tmp_path) == 3
        graph = Keras().preprocess(entry, tmp_path, tmp_path)["graph"]
        assert (graph["layout"], graph["scale"]) == ("nhwc", 1.0)
        made, context = prepare(entry, tmp_path, (8, 8, 3), study=f"study of {name}")
        alike(model, made, context, (8, 8, 3))


CODE = {
    "Lambda": ({"class_name": "Lambda", "module": "keras.layers", "config": {"name": "twist"}}, "'twist' is a Lambda layer, a piece of"),
    "custom": ({"class_name": "Mine", "module": "my_layers", "config": {"name": "own"}}, "'own' is 'Mine', a layer or function of whoever"),
    "registered": (
        {"class_name": "Mine", "module": None, "registered_name": "pack>Mine", "config": {"name": "own"}},
        "'own' is 'pack>Mine', a layer or function of whoever made the model",
    ),
    "function": (
        {"class_name": "Dense", "module": "keras.layers", "config": {"activation": {"class_name": "function", "config": "bend"}}},
        "'bend' is 'function', a layer or function of whoever made the model",
    ),
    "pickle": ({"class_name": "TorchModuleWrapper", "module": "keras.layers", "config": {"name": "t"}}, "'t' holds a pickled torch module"),
}


@pytest.mark.parametrize("kind", CODE)
def test_code_in_a_file_is_refused_before_anything_is_opened(tmp_path: Path, kind: str) -> None:
    layer, said = CODE[kind]
    config = {"class_name": "Sequential", "module": "keras", "config": {"name": "m", "layers": [layer]}}
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    with pytest.raises(BadModel, match=said) as caught:
        Keras().digest(ModelSpec(kind="keras", value="model.keras"), tmp_path)
    assert "which is never called.\n  Write it with Keras's own layers" in str(caught.value)


def test_what_is_no_model_is_said(tmp_path: Path, keras: Any) -> None:
    import h5py

    def refused(name: str, said: str) -> None:
        with pytest.raises(BadModel, match=said):
            Keras().digest(ModelSpec(kind="keras", value=name), tmp_path)

    refused("lost.keras", r"lost\.keras does not exist\.\n  `keras:` names a \.keras or \.h5 file")
    (tmp_path / "text.keras").write_text("no model")
    refused("text.keras", r"text\.keras is no Keras model: it is neither a \.keras archive nor an HDF5 file\.")
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["a"] = [1.0]
    refused("weights.h5", r"weights\.h5 is no Keras model: it holds weights alone, without the layers that they belong to\.")
    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("config.json", "[1")
    refused("zip.keras", r"zip\.keras is no Keras model: it is not JSON")
    with zipfile.ZipFile(tmp_path / "list.keras", "w") as archive:
        archive.writestr("config.json", "[1]")
    refused("list.keras", r"list\.keras is no Keras model: it holds no configuration of one\.")
    with zipfile.ZipFile(tmp_path / "cut.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "module": "keras", "config": {"name": "m", "layers": []}}))
    with pytest.raises(BadModel, match=r"cut\.keras cannot be opened by Keras 3\.\d+\.\d+: .*\n  Open it where it was made"):
        prepare(ModelSpec(kind="keras", value="cut.keras"), tmp_path, (5,))


def test_a_model_that_does_not_fit_the_data_is_said(tmp_path: Path, keras: Any) -> None:
    layers = keras.layers
    one, two = keras.Input((5,), name="one"), keras.Input((2,), name="two")
    entry = saved(keras.Model([one, two], layers.Dense(3)(layers.Concatenate()([one, two]))), tmp_path)
    with pytest.raises(BadModel, match=r"model\.keras takes 2 inputs: one \(5\), two \(2\); one input is taken now"):
        prepare(entry, tmp_path, (7,))
    entry = saved(keras.Sequential([layers.Input((4, 4, 1)), layers.Flatten(), layers.Dense(3)]), tmp_path, "image.keras")
    for shape in ((1, 4, 4), (16,)):
        with pytest.raises(BadModel, match=r"image\.keras takes rows of the shape \(4, 4, 1\); the data give \(.*\)\.\n.*layout: nhwc"):
            prepare(entry, tmp_path, shape, study=f"study of {shape}")
    with pytest.raises(BadModel, match=r"image\.keras answers \d+ rows with an array \(\d+, 3\); the data have 4 classes\."):
        prepare(entry, tmp_path, (4, 4, 1), classes=4, study="more")


def test_a_stranger_can_not_name_more_than_steps(tmp_path: Path) -> None:
    from paredown.modelkit.factories import refuse_strange
    from paredown.modelkit.layered import FACTORY

    fine = {"shape": [4], "steps": [{"op": "dense", "of": [0], "name": "head", "out": 3, "bias": 1}]}
    refuse_strange(FACTORY, fine, "here")
    for wrong in ({**fine, "code": "x"}, {**fine, "steps": [{"op": "eval", "of": [0]}]}, {**fine, "shape": [1 << 30]}):
        with pytest.raises(NotTrusted, match=r"the model is built by paredown\.modelkit\.layered:build and has"):
            refuse_strange(FACTORY, wrong, "here")


def test_without_h5py_an_older_file_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(MissingExtra, match=r"opening an \.h5 model needs the package h5py"):
        Keras().digest(ModelSpec(kind="keras", value="model.h5"), tmp_path)
