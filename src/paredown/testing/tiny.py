"""Models, rows and a context so small that a contract is checked in a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.candidate import Candidate
from paredown.core.rows import Rows
from paredown.core.technique import Context
from paredown.ground.store import FolderStore

SIDE, CLASSES, HIDDEN = 6, 3, 16
FEED = "input"
TREES = "trees"
"""The network that is an ensemble of trees, which takes rows (N, 36)."""
TEXT_WORDS = ("card", "lost", "stolen", "pin", "loan", "rate", "money", "pay", "visit", "branch", "open", "hours")


def conv_net(classes: int = CLASSES, widths: tuple[int, int] = (8, 12)) -> Any:
    """Two 3x3 convolutions with batch norm, a mean over the image, one linear layer; (N, 1, H, W) -> (N, classes)."""
    from torch import nn

    first, second = widths
    return nn.Sequential(
        nn.Conv2d(1, first, 3, padding=1, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, padding=1, bias=False),
        nn.BatchNorm2d(second),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(second, classes),
    )


def mlp(classes: int = CLASSES, hidden: int = HIDDEN) -> Any:
    """Two linear layers with a ReLU between them; (N, 1, 6, 6) -> (N, classes)."""
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, hidden), nn.ReLU(), nn.Linear(hidden, classes))


def deep_net(classes: int = CLASSES, depth: int = 4) -> Any:
    """A linear layer, `depth` like blocks with a skip each, a linear layer; (N, 1, 6, 6) -> (N, classes)."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(HIDDEN, HIDDEN)

        def forward(self, felt: Any) -> Any:
            return felt + self.inner(felt).relu()

    return nn.Sequential(
        nn.Flatten(), nn.Linear(SIDE * SIDE, HIDDEN), nn.Sequential(*(Block() for _ in range(depth))), nn.Linear(HIDDEN, classes)
    )


DECODE = {"kind": "softmax", "output": "logits", "classes": CLASSES}


def rows(count: int = 96, seed: int = 0) -> Rows:
    """Images (N, 6, 6) from 0 to 16 of three classes; class k is bright in its own two lines."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % CLASSES
    images = draw.uniform(0, 6, (count, SIDE, SIDE))
    for at, label in enumerate(labels):
        images[at, 2 * label : 2 * label + 2] += 9
    return Rows(inputs=images.astype(np.float32), labels=labels, names=("top", "middle", "bottom"), high=16.0)


def encode(inputs: Any) -> dict[str, np.ndarray]:
    """Images (N, 6, 6) -> {"input": (N, 1, 6, 6)} from 0 to 1."""
    return {FEED: (np.asarray(inputs, np.float32) / 16).reshape(-1, 1, SIDE, SIDE)}


def encode_flat(inputs: Any) -> dict[str, np.ndarray]:
    """Images (N, 6, 6) -> {"input": (N, 36)} from 0 to 1."""
    return {FEED: encode(inputs)[FEED].reshape(-1, SIDE * SIDE)}


def weights(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of the tiny `mlp`: (36, 16), (16,), (16, 3), (3,), float32."""
    draw = np.random.default_rng(seed)
    shapes = ((SIDE * SIDE, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,))
    first, shift, second, last = (draw.normal(0, 0.3, shape).astype(np.float32) for shape in shapes)
    return first, shift, second, last


def logits(feed: Mapping[str, Any], seed: int = 0) -> np.ndarray:
    """What the tiny `mlp` with these weights answers, by numpy: (N, 3)."""
    first, shift, second, last = weights(seed)
    flat: np.ndarray = np.asarray(feed[FEED]).reshape(-1, SIDE * SIDE)
    answers: np.ndarray = np.maximum(flat @ first + shift, 0) @ second + last
    return answers


def context(folder: Path, teacher: Candidate | None = None, seed: int = 0, flat: bool = False) -> Context:
    """A context with its store and an empty scratch folder below `folder`; train, calibration and unlabeled are the tiny rows.

    Args:
        flat: Whether images are fed as rows of numbers.
    """
    work = folder / "work"
    work.mkdir(parents=True)
    data = {"train": rows, "calibration": lambda: rows(48, 1), "unlabeled": lambda: rows(48, 2)}
    store = FolderStore(folder / "store")
    teacher = teacher or Candidate(digest="none", form="none")
    fed = encode_flat if flat else encode
    return Context(data=data, encode=fed, decode=DECODE, teacher=teacher, ask=logits, store=store, seed=seed, threads=1, work=work)


def candidate(form: str, folder: Path, network: str = "mlp") -> Candidate:
    """A tiny model in a fresh store at `folder/store`: "onnx" is the mlp as a graph, an ensemble of trees, or "table", which looks rows up;
    "tflite" the mlp; "torch" the mlp or "conv_net"."""
    store = FolderStore(folder / "store")
    scratch = store.scratch()
    if form == "onnx" and network == TREES:
        _write_trees(scratch / "graph.onnx")
        return Candidate(digest=store.put(scratch), form="onnx", parameters=7 * 3 * 12)
    if form == "onnx" and network == "table":
        _write_table(scratch / "graph.onnx")
        return Candidate(digest=store.put(scratch), form="onnx", parameters=_WORDS * HIDDEN + HIDDEN * CLASSES)
    if form == "onnx":
        _write_graph(scratch / "graph.onnx")
        return Candidate(digest=store.put(scratch), form="onnx", parameters=sum(item.size for item in weights()))
    if form == "tflite":
        write_tflite(scratch / "logits.tflite")
        return Candidate(digest=store.put(scratch), form="tflite", parameters=sum(item.size for item in weights()))
    return _torch_candidate(network, scratch, store)


def pretrained(folder: Path, labels: Sequence[str] = (), layers: int = 3, **config: Any) -> Path:
    """A tiny BERT with random weights and a tokenizer of words, as transformers saves them; without `labels` it has no head."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = {word: at for at, word in enumerate([*marks, *TEXT_WORDS])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends)
    named = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast: Any = transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, model_max_length=32, **named
    )
    shape = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 40}
    made = transformers.BertConfig(vocab_size=len(words), num_hidden_layers=layers, **(shape | config))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if labels:
            made.id2label = dict(enumerate(labels))
            made.label2id = {name: at for at, name in enumerate(labels)}
            model = transformers.BertForSequenceClassification(made)
        else:
            model = transformers.BertModel(made)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def texts(count: int = 96, seed: int = 0) -> Rows:
    """Sentences of two to seven words; those of class k hold its own words most often."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % CLASSES
    own = np.array_split(np.array(TEXT_WORDS, object), CLASSES)
    made = np.array([" ".join([*draw.choice(own[label], 2), *draw.choice(TEXT_WORDS, draw.integers(0, 4))]) for label in labels], object)
    return Rows(inputs=made, labels=labels, names=("card", "loan", "visit"))


def _torch_candidate(network: str, scratch: Path, store: FolderStore) -> Candidate:
    import torch

    from paredown.modelkit.blueprint import Blueprint, save_module

    blueprint = Blueprint(factory=f"paredown.testing.tiny:{network}", inputs={FEED: (1, SIDE, SIDE)})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = blueprint.build()
    if network == "mlp":
        first, shift, second, last = map(torch.from_numpy, weights())
        module.load_state_dict({"1.weight": first.T, "1.bias": shift, "3.weight": second.T, "3.bias": last})
    return save_module(module, blueprint, store, scratch)


_WORDS = 512


def _write_table(file: Path) -> None:
    """A graph that looks up a row of a table for each pixel, by its brightness, and takes their mean: (N, 1, 6, 6) -> (N, 3)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(0)
    held = {
        "words": draw.normal(0, 1, (_WORDS, HIDDEN)).astype(np.float32),
        "last": draw.normal(0, 1, (HIDDEN, CLASSES)).astype(np.float32),
        "bright": np.array(_WORDS - 1, np.float32),
        "item": np.array([-1, SIDE * SIDE]),
        "each": np.array([1]),
    }
    nodes = [
        helper.make_node("Reshape", [FEED, "item"], ["flat"]),
        helper.make_node("Mul", ["flat", "bright"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["rows"], to=TensorProto.INT64),
        helper.make_node("Gather", ["words", "rows"], ["known"], axis=0),
        helper.make_node("ReduceMean", ["known", "each"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "last"], ["logits"]),
    ]
    taken = helper.make_tensor_value_info(FEED, TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])
    graph = helper.make_graph(nodes, "tiny", [taken], [given], [numpy_helper.from_array(item, name) for name, item in held.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)


def _write_graph(file: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    names = ("first", "shift", "second", "last")
    held = [numpy_helper.from_array(item, name) for name, item in zip(names, weights())]
    nodes = [
        helper.make_node("Flatten", [FEED], ["flat"]),
        helper.make_node("Gemm", ["flat", "first", "shift"], ["wide"]),
        helper.make_node("Relu", ["wide"], ["felt"]),
        helper.make_node("Gemm", ["felt", "second", "last"], ["logits"]),
    ]
    taken = helper.make_tensor_value_info(FEED, TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])
    graph = helper.make_graph(nodes, "tiny", [taken], [given], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)


def _write_trees(file: Path, rounds: int = 12) -> None:
    """Boosted trees of two levels over rows (N, 36), one tree for each class in each round; answers with probabilities."""
    import onnx
    from onnx import TensorProto, helper

    draw, said = np.random.default_rng(0), dict[str, list[Any]]()
    for tree in range(rounds * CLASSES):
        for node in range(7):
            leaf = node > 2
            row = {
                "nodes_treeids": tree,
                "nodes_nodeids": node,
                "nodes_featureids": int(draw.integers(SIDE * SIDE)),
                "nodes_modes": "LEAF" if leaf else "BRANCH_LEQ",
                "nodes_values": 0.0 if leaf else float(draw.uniform(0.1, 0.9)),
                "nodes_truenodeids": 0 if leaf else 2 * node + 1,
                "nodes_falsenodeids": 0 if leaf else 2 * node + 2,
            }
            if leaf:
                row |= {"class_treeids": tree, "class_nodeids": node, "class_ids": tree % CLASSES}
                row["class_weights"] = float(draw.normal(0, 0.8 ** (tree // CLASSES)))
            for key, value in row.items():
                said.setdefault(key, []).append(value)
    trees = helper.make_node(
        "TreeEnsembleClassifier",
        [FEED],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        classlabels_int64s=[*range(CLASSES)],
        post_transform="SOFTMAX",
        **said,
    )
    taken = helper.make_tensor_value_info(FEED, TensorProto.FLOAT, ["batch", SIDE * SIDE])
    given = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", CLASSES])
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(helper.make_graph([trees], "trees", [taken], [given]), opset_imports=versions, ir_version=9)
    onnx.save(model, file)


def write_tflite(file: Path, *, batch: int = -1, inside: int = -1, softmax: bool = False, signature: bool = True, custom: str = "") -> None:
    """The tiny `mlp` as a TF Lite graph.

    Args:
        batch: Rows that it takes at once; -1 any number.
        inside: The same of a shape inside.
        softmax: True ends it in one.
        signature: False leaves the names of its ends out.
        custom: Name of an operator of somebody's own to end it in.
    """
    from paredown.graphs.tflite_writer import Writer

    writer = Writer()
    first, shift, second, last = weights()
    given = writer.tensor(FEED, (batch, 1, SIDE, SIDE))
    flat = [inside, SIDE * SIDE]
    at = writer.add("RESHAPE", [given, writer.held(np.array(flat, np.int32))], (batch, flat[1]), "Reshape", newShape=flat)
    for name, weight, bias, activation in (("wide", first, shift, 1), ("logits", second, last, 0)):
        operands = [at, writer.held(np.ascontiguousarray(weight.T)), writer.held(bias)]
        at = writer.add("FULLY_CONNECTED", operands, (batch, len(bias)), "FullyConnected", name, fusedActivationFunction=activation)
    if softmax:
        at = writer.add("SOFTMAX", [at], (batch, CLASSES), "Softmax", "shares", beta=1.0)
    if custom:
        at = writer.add(f"custom {custom}", [at], (batch, CLASSES), name="end")
    file.write_bytes(writer.content(given, at, signature=signature))
