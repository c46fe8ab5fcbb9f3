"""`model: {huggingface: path-or-id, finetune: {...}}`: a pretrained model as transformers saves it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.core.technique import Context
from paredown.core.unsupported import REGRESSION, SEVERAL, SPANS, TOKENS, refusal
from paredown.ground import digests
from paredown.ground.lazy import need
from paredown.ground.untrusted import read_json
from paredown.kinds.kind import Kind
from paredown.kinds.known import kind_named, kind_of
from paredown.kinds.one_class import OneClass
from paredown.kinds.vector import Vector
from paredown.modelkit import pooling, saved, tokenizer
from paredown.models import feature_extractor, processor

CONFIG = "config.json"
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin", "pytorch_model.bin.index.json")
# position numbers of these start behind the padding token's, so that two of them are never used
_SHIFTED = (
    *("roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet", "data2vec-text"),
    *("ibert", "xmod", "luke", "mluke", "lilt"),
)
# these tell the texts of a pair apart without saying so in config.json
_TYPED = ("xlnet",)
FINETUNE = {"epochs": 5, "lr": 1e-4, "batch": 32, "augment": False}


class Huggingface(ModelSource):
    """A folder with config.json and safetensors, or an id of the hub; `finetune:` trains it here, which a new head needs.

    Code that a model brings along is never run; weights are read from safetensors, or from a state dict without pickled objects.
    """

    forms: ClassVar[tuple[str, ...]] = ("torch", "onnx")

    def trains(self, spec: ModelSpec) -> bool:
        """True when the job says `finetune:`."""
        return "finetune" in spec.options

    def opens(self, path: Path) -> bool:
        """A folder with config.json."""
        return (path / CONFIG).is_file()

    def digest(self, spec: ModelSpec, folder: Path) -> str:
        """Over the options and all files that opening the model and its tokenizer or image processor may read."""
        path = find(spec, folder)
        if not any(True for pattern in _WEIGHTS for _ in path.glob(pattern)):
            raise BadModel(f"{path} has no weights.\n  It needs model.safetensors; `model.save_pretrained(folder)` writes it.")
        parts: list[object] = [dict(spec.options), *([item.name, digests.of_file(item)] for item in saved.files_of(path))]
        words = tokenizer.named(spec.options, folder)
        return digests.of_value(parts + ([tokenizer.digest(words)] if words else []))

    def refuse_other_kind(self, spec: ModelSpec, folder: Path, kind: str) -> None:
        """By the head that config.json names; a new head has no past."""
        if not self.trains(spec):
            path = find(spec, folder)
            refuse_other_head(path, configuration(path), kind_named(kind))

    def labels(self, spec: ModelSpec, folder: Path) -> tuple[str, ...]:
        """The names in `id2label`; none where the job fine-tunes, since the head then learns the data's own."""
        if self.trains(spec):
            return ()
        found = configuration(find(spec, folder)).get("id2label")
        return tuple(str(found[key]) for key in sorted(found, key=int)) if found else ()

    def width(self, spec: ModelSpec, folder: Path) -> int:
        """Numbers of a token's vector, as often as there are ways of pooling."""
        path = find(spec, folder)
        return pooling.width_of_tokens(configuration(path)) * len(pooling.pooling_of(path).ways)

    def preprocess(self, spec: ModelSpec, folder: Path, work: Path) -> dict[str, Any]:
        """The tokenizer as one file, with the model's own limit of tokens; for images or sounds what its processor or extractor does."""
        path = find(spec, folder)
        if feature_extractor.hears(path):
            return feature_extractor.options_of(path)
        if _sees(path):
            return processor.options_of(path, int(configuration(path).get("num_channels", 3)))
        found = tokenizer.encoding(tokenizer.named(spec.options, folder) or path, work)
        config = configuration(path)
        kinds = config.get("type_vocab_size", 2 if config["model_type"] in _TYPED else 0)
        inputs = {name: role for name, role in found["inputs"].items() if role != "types" or kinds > 1}
        places = config.get("max_position_embeddings")
        if places and config["model_type"] in _SHIFTED:
            places -= int(config.get("pad_token_id") or 1) + 1
        longest = min([limit for limit in (found.get("max_length"), places) if limit] or [512])
        return found | {"inputs": inputs, "max_length": int(longest)}

    def limits(self, spec: ModelSpec, folder: Path, encode: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """For texts, how many tokens the model answers where its configuration does not say so, as where it cuts rows into like parts."""
        if encode["kind"] != "text" or "length" in encode:
            return {}
        pretrained = need("paredown.modelkit.pretrained", "opening a pretrained model")
        roles = {name: role for name, role in encode["inputs"].items() if role not in ("words", "ends")}
        path, longest = find(spec, folder), int(encode["max_length"])
        told = pooling.pooling_of(path).longest if kind_of(context.decode).name == Vector.name else 0
        longest, own = (told, {"max_length": told}) if 0 < told < longest else (longest, {})
        found: dict[str, Any] = pretrained.token_limits(path, roles, longest)
        return own | found

    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """Open it, give it a new head and train it where the job says `finetune:`."""
        pretrained = need("paredown.modelkit.pretrained", "opening a pretrained model")
        trainer = need("paredown.training.trainer", "opening a pretrained model")
        path, trains = find(spec, folder), self.trains(spec)
        self.refuse_other_kind(spec, folder, kind_of(context.decode).name)
        if kind_of(context.decode).name == Vector.name:
            way = pooling.pooling_of(path)
            arguments, weights = pretrained.unpack(
                path, list(inputs), classes, context.work, new_head=False, seed=context.seed, pooling=way
            )
            taken: Candidate = trainer.take_baseline(pretrained.FACTORY, arguments, inputs, classes, context, weights=weights)
            return replace(taken, note=way.said)
        size, of = context.decode.get("size", [0]), int(context.decode.get("classes", classes))
        arguments, weights = pretrained.unpack(path, list(inputs), of, context.work, new_head=trains, seed=context.seed, words=size[0])
        if trains:
            settings = FINETUNE | dict(spec.options["finetune"] or {})
            made: Candidate = trainer.train_baseline(pretrained.FACTORY, arguments, inputs, classes, settings, context, weights=weights)
        else:
            made = trainer.take_baseline(pretrained.FACTORY, arguments, inputs, classes, context, weights=weights)
        return made


def find(spec: ModelSpec, folder: Path) -> Path:
    """The folder of the model: as named from the job's folder on, or as the hub's cache holds it, fetched where it does not.

    Raises:
        BadModel: There is no such folder and it is no id; the hub does not give it; the folder has no config.json.
    """
    path = folder / spec.value
    if not path.is_dir():
        if not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", spec.value) or path.exists():
            raise BadModel(
                f"{path} is no folder.\n  `huggingface:` names a folder with {CONFIG}, from the job file's folder on, or an id of the hub."
            )
        path = _from_hub(spec.value, spec.options.get("revision"))
    if not (path / CONFIG).is_file():
        raise BadModel(
            f"{path} has no {CONFIG}.\n"
            "  Give the folder that `model.save_pretrained(folder)` wrote, with the files of its tokenizer or processor in it."
        )
    return path


_TYPES = {"regression": ("numbers", REGRESSION), "multi_label_classification": ("labels", SEVERAL)}
_HEADS = {"ForTokenClassification": ("tokens", TOKENS), "ForQuestionAnswering": ("spans", SPANS)}


def refuse_other_head(path: Path, config: Mapping[str, Any], kind: Kind) -> None:
    """Refuse a model that was trained to answer with something else than the task asks for; a new head has no past.

    Args:
        path: Its folder, for the message.
        config: Its config.json.
        kind: What the task's answers are.

    Raises:
        BadModel: Says what it answers with, and what says so.
    """
    made = [str(name) for name in config.get("architectures") or ()]
    if kind.name == Vector.name:  # which takes the encoder and leaves its head
        return
    for ending, (means, head) in _HEADS.items():
        if any(name.endswith(ending) for name in made) and kind.name != means:
            raise BadModel(refusal(head, f"{path / CONFIG} says `architectures: {made}`"))
    means, said = _TYPES.get(str(config.get("problem_type")), ("", ""))
    if said and means != kind.name and kind.name == OneClass.name:
        raise BadModel(refusal(said, f"{path / CONFIG} says `problem_type: {config['problem_type']}`"))
    if config.get("problem_type") and means != kind.name and kind.name != OneClass.name:
        raise BadModel(
            f"{path / CONFIG} says `problem_type: {config['problem_type']}`; the task's answers are {kind.named}.\n"
            "  Name the task that the model was trained for, or train a new head with `finetune: {}`."
        )
    names = config.get("id2label")
    if isinstance(names, Mapping) and len(names) == 1 and kind.name == OneClass.name:
        raise BadModel(refusal(REGRESSION, f"{path / CONFIG} has one label, {next(iter(names.values()))!r:.60}"))


def _sees(path: Path) -> bool:
    """Whether the model takes images: then its image processor lies beside it."""
    return (path / processor.FILE).is_file()


def _from_hub(name: str, revision: str | None) -> Path:
    hub = need("huggingface_hub", "opening a model by its id")
    wanted = [*_WEIGHTS[:2], "*.json", "*.txt", "*.model"]
    try:
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:
        raise BadModel(
            f"{name} is no folder beside the job file, and the hub did not give it: {type(error).__name__}: {str(error)[:200]}\n"
            "  Check the name, the network and your access, or give a folder."
        ) from error


def configuration(path: Path) -> dict[str, Any]:
    """The content of config.json.

    Raises:
        BadModel: It is no JSON mapping with a `model_type`, or it asks for code of its own.
    """
    try:
        found = read_json(path / CONFIG, finite=False)  # transformers writes Infinity
    except (OSError, ValueError) as error:
        raise BadModel(f"{path / CONFIG} cannot be read: it {error}.\n  Save the model again with `save_pretrained`.") from error
    if not isinstance(found, dict) or "model_type" not in found:
        raise BadModel(f"{path / CONFIG} names no `model_type`.\n  It has to be the configuration of a transformers model.")
    if "auto_map" in found:
        raise BadModel(
            f"{path / CONFIG} asks for code of its own (`auto_map`), which is never run.\n"
            "  Use a model that transformers has itself, or build it with `python: my.module:build` and its weights."
        )
    return found
