"""Models of the transformers library as plain modules: tensors in the feed's order in, logits out."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from paredown.core.errors import BadModel
from paredown.encoders.tokens import ENDS, WORDS
from paredown.graphs import graph_tokens
from paredown.ground import opened_files
from paredown.ground.lazy import need
from paredown.ground.seeds import stream
from paredown.kinds.decode import ABSENT
from paredown.modelkit import saved
from paredown.modelkit.pooling import WAYS, Pooling

CONFIG = "config.json"
FACTORY = "paredown.modelkit.pretrained:build"
_AUTO = {
    "tokens": "AutoModelForSequenceClassification",
    "pixels": "AutoModelForImageClassification",
    "words": "AutoModelForTokenClassification",
    "ends": "AutoModelForQuestionAnswering",
    "waves": "AutoModelForAudioClassification",
}
_SAID_BY = {"pixels": "pixel_values", "waves": "input_values", "ends": ENDS, "words": WORDS}
# what says how or where the model was made, and nothing about its structure
_NOT_STRUCTURE = ("_name_or_path", "architectures", "dtype", "torch_dtype", "id2label", "label2id", "transformers_version", "num_labels")


class Logits(nn.Module):
    """A transformers model that takes its inputs by position and answers with logits (N, classes) alone.

    Args:
        model: With a classification head.
        inputs: Names of its inputs in the feed's order, at most three.
    """

    def __init__(self, model: nn.Module, inputs: Sequence[str]) -> None:
        super().__init__()
        self.model, self.inputs = model, tuple(inputs)

    def forward(self, first: Tensor, second: Tensor | None = None, third: Tensor | None = None) -> Tensor:
        """Logits (N, classes)."""
        given = dict(zip(self.inputs, (first, second, third)))
        return self.model(**given).logits


class WordLogits(nn.Module):
    """A transformers model with a head for each token, that answers with the logits of each word, (N, classes, words).

    A word's are those of its first token. One that a row does not have, or that was cut off, has ABSENT as its first and 0 as its others.
    Of a head that answers questions the two are the logits that the answer begins at a word's first token, and that it ends at its last;
    words that are not there have -ABSENT.

    Args:
        model: With a token classification head, or one that answers questions.
        inputs: Names of its inputs in the feed's order, at most five, WORDS among them, and ENDS for answers to questions.
        words: Most words of a row.
    """

    def __init__(self, model: nn.Module, inputs: Sequence[str], words: int) -> None:
        super().__init__()
        self.model, self.inputs, self.words = model, tuple(inputs), words

    def forward(
        self, first: Tensor, second: Tensor, third: Tensor | None = None, fourth: Tensor | None = None, fifth: Tensor | None = None
    ) -> Tensor:
        """Logits (N, classes, words)."""
        given = dict(zip(self.inputs, (first, second, third, fourth, fifth)))
        places, ends = cast(Tensor, given.pop(WORDS)), given.pop(ENDS, None)
        said = self.model(**given)
        if ends is None:
            return of_words(said.logits, places, self.words, ABSENT)
        begins = of_words(said.start_logits[:, :, None], places, self.words, -ABSENT)
        return torch.cat([begins, of_words(said.end_logits[:, :, None], ends, self.words, -ABSENT)], dim=1)


class Embeddings(nn.Module):
    """A transformers model without a head, that answers with one vector for each row, (N, width).

    Args:
        model: Its encoder.
        inputs: Names of its inputs in the feed's order, at most three; `attention_mask` says which tokens count, else all do.
        ways: How the vectors of tokens become one, see `pooling`; several are put one after the other.
        normalize: Whether the vector has length 1.
        tokens: Numbers of a token's vector.
        width: Numbers of the answer; where it is another than the pooled vector has, a linear layer makes it.
    """

    def __init__(self, model: nn.Module, inputs: Sequence[str], ways: Sequence[str], normalize: bool, tokens: int, width: int) -> None:
        super().__init__()
        self.model, self.inputs, self.ways, self.normalize = model, tuple(inputs), tuple(ways), normalize
        self.project = nn.Linear(tokens * len(ways), width) if tokens * len(ways) != width else None

    def forward(self, first: Tensor, second: Tensor | None = None, third: Tensor | None = None) -> Tensor:
        """Vectors (N, width)."""
        given = dict(zip(self.inputs, (first, second, third)))
        tokens = self.model(**given).last_hidden_state
        mask = given.get("attention_mask")
        pooled = pool(tokens, torch.ones_like(first) if mask is None else mask, self.ways)
        pooled = pooled if self.project is None else self.project(pooled)
        return functional.normalize(pooled, dim=1) if self.normalize else pooled


def pool(tokens: Tensor, mask: Tensor, ways: Sequence[str]) -> Tensor:
    """One vector (N, D * ways) from those of tokens.

    Args:
        tokens: (N, T, D).
        mask: (N, T), 1 for tokens that count.
        ways: Of `pooling.WAYS`: the first token, the largest of each number, the mean, the sum over the root of how many tokens there are.

    Source: the pooling layer of sentence-transformers (Reimers & Gurevych 2019, arXiv:1908.10084).
    """
    there = mask[:, :, None].to(tokens.dtype)
    total, count = (tokens * there).sum(1), there.sum(1).clamp_min(1e-9)
    made = {
        "cls": lambda: tokens[:, 0],
        "max": lambda: tokens.masked_fill(there == 0, -1e9).amax(1),
        "mean": lambda: total / count,
        "mean_sqrt_len_tokens": lambda: total / count.sqrt(),
    }
    return torch.cat([made[way]() for way in ways], dim=1) if len(ways) > 1 else made[ways[0]]()


def of_words(logits: Tensor, places: Tensor, words: int, absent: float) -> Tensor:
    """Logits of words (N, classes, words) from those of tokens.

    Args:
        logits: (N, tokens, classes).
        places: (N, tokens), the place of a word, from 1 on, at its first token, 0 at others.
        words: Most words of a row.
        absent: The first logit of a word that is not there; its others are 0.
    """
    numbers = torch.arange(1, words + 1, dtype=places.dtype)
    hit = (places[:, None, :] == numbers[None, :, None]).to(logits.dtype)
    at, there = hit.argmax(-1), hit.amax(-1) > 0
    found = logits.gather(1, at[:, :, None].expand(-1, -1, logits.shape[2])).transpose(1, 2)
    none = torch.zeros(1, logits.shape[2], 1, dtype=logits.dtype)
    none[:, 0] = absent
    return torch.where(there[:, None, :], found, none)


def build(
    config: Mapping[str, Any], inputs: Sequence[str], classes: int, words: int = 0, pooling: Mapping[str, Any] | None = None
) -> nn.Module:
    """The structure of a configuration with new weights, float32.

    Args:
        config: As in config.json, with `model_type`.
        inputs: Names of its inputs in the feed's order; `pixel_values` makes it a classifier of images, `input_values` one of sounds,
            WORDS one of each word, and ENDS one that answers questions.
        classes: Width of the answer.
        words: Most words of a row, where each has an answer of its own.
        pooling: {"ways", "normalize"} of `Embeddings`: then there is no head, and `classes` are the numbers of a vector.
    """
    transformers = need("transformers", "building a pretrained model's structure")
    settings = {key: value for key, value in config.items() if key != "model_type"}
    made = transformers.AutoConfig.for_model(config["model_type"], **settings, num_labels=classes)
    made.architectures = made.architectures or []  # transformers looks there where a configuration has several heads
    return _built(transformers, made, inputs, words) if pooling is None else _embedding(transformers, made, inputs, classes, pooling)


def unpack(
    path: Path,
    inputs: Sequence[str],
    classes: int,
    work: Path,
    *,
    new_head: bool,
    seed: int = 0,
    words: int = 0,
    pooling: Pooling | None = None,
) -> tuple[dict[str, Any], Path]:
    """Open a pretrained model; give the arguments of `build` and a file of weights that fits what it builds.

    Args:
        path: A folder with config.json and weights.
        inputs: Names of the model's inputs.
        classes: Number of classes.
        work: Takes the file.
        new_head: True lets the head be new; False refuses weights that the folder does not hold.
        seed: Root of the numbers that a new head begins with.
        words: As for `build`.
        pooling: Has the model open without a head, as an encoder that answers with one vector for each row.

    Raises:
        BadModel: It cannot be opened; its head is new or of another width and the job does not fine-tune it; weights below the head are
            missing.
    """
    opened_files.tell(saved.files_of(path))
    transformers = need("transformers", "opening a pretrained model")
    auto = _auto(transformers, inputs) if pooling is None else transformers.AutoModel
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    config = _configuration(transformers, path)
    if not new_head and pooling is None and config.num_labels != classes:
        raise BadModel(
            f"{path} answers with {config.num_labels} numbers per row; the data need {classes}.\n"
            "  Train a new head with `finetune: {}` beside `huggingface:`, or correct the data."
        )
    config.num_labels = classes
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            torch.manual_seed(stream(seed, "head"))
            model, found = auto.from_pretrained(
                str(path),
                config=config,
                trust_remote_code=False,
                local_files_only=True,
                ignore_mismatched_sizes=new_head,
                output_loading_info=True,
            )
    except Exception as error:
        raise BadModel(
            f"{path} cannot be opened as {'a classifier' if pooling is None else 'an encoder'}: {type(error).__name__}: {str(error)[:300]}"
        ) from error
    new = sorted(found["missing_keys"] | {item[0] for item in found["mismatched_keys"]})
    base = "" if pooling is not None else f"{model.base_model_prefix}."
    below = [name for name in new if name.startswith(base) and "pooler" not in name]
    if below:
        raise BadModel(
            f"{path} holds no weights for {len(below)} tensors of its own structure, first {below[0]}.\n"
            "  The file is not whole, or not of this model."
        )
    if new and not new_head and pooling is None:
        raise BadModel(
            f"{path} has no trained head: {', '.join(new[:3])} would be random.\n"
            "  Train it with `finetune: {}` beside `huggingface:`; `epochs`, `lr` and `batch` go into the braces."
        )
    structure = {key: value for key, value in config.to_dict().items() if key not in _NOT_STRUCTURE}
    if isinstance(auto._model_mapping[type(config)], tuple | list):  # of several heads for one configuration transformers takes the named
        structure["architectures"] = [type(model).__name__]
    arguments = {"config": structure, "inputs": list(inputs), "classes": classes} | ({"words": words} if words else {})
    whole: nn.Module | None = None
    if pooling is not None:
        arguments["pooling"] = way = pooling.json()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(seed, "head"))
            whole = _pooled(model.float(), inputs, classes, way)
    state = model.state_dict(prefix="model.") if whole is None else whole.state_dict()
    file = work / "pretrained.safetensors"
    save_file({name: value.detach().float().contiguous().clone() for name, value in state.items()}, file)
    return arguments, file


def token_limits(path: Path, roles: Mapping[str, str], most: int) -> dict[str, Any]:
    """How many tokens a row may have, asked of the structure without its weights; see `graph_tokens.limits`.

    Args:
        path: A folder with config.json.
        roles: The model's input -> "ids", "mask" or "types".
        most: Tokens that its configuration and its tokenizer allow.
    """
    transformers = need("transformers", "opening a pretrained model")
    config = _configuration(transformers, path)
    try:
        with need("transformers.initialization", "opening a pretrained model").no_init_weights():
            module = _built(transformers, config, list(roles), 0).eval()
    except Exception:  # whoever opens it with its weights says what is wrong
        return {}

    def ask(feed: Mapping[str, Any]) -> Any:
        with torch.inference_mode():
            return module(*(torch.from_numpy(item) for item in feed.values()))

    return graph_tokens.limits(ask, roles, most)


def _configuration(transformers: Any, path: Path) -> Any:
    config = transformers.AutoConfig.from_pretrained(str(path), trust_remote_code=False, local_files_only=True)
    config.architectures = config.architectures or []  # as in `build`
    return config


def _built(transformers: Any, config: Any, inputs: Sequence[str], words: int) -> nn.Module:
    model = _auto(transformers, inputs).from_config(config, trust_remote_code=False).float()
    return WordLogits(model, inputs, words) if WORDS in inputs else Logits(model, inputs)


def _embedding(transformers: Any, config: Any, inputs: Sequence[str], width: int, pooling: Mapping[str, Any]) -> nn.Module:
    model = transformers.AutoModel.from_config(config, trust_remote_code=False).float()
    return _pooled(model, inputs, width, pooling)


def _pooled(model: Any, inputs: Sequence[str], width: int, pooling: Mapping[str, Any]) -> nn.Module:
    """An encoder with its pooling; what it has of its own for classifying whole texts is taken out where it can do without."""
    if not {*pooling["ways"]} <= {*WAYS}:
        raise BadModel(f"a way of pooling is none of {', '.join(WAYS)}: {', '.join(map(str, pooling['ways'])):.100}.")
    if "add_pooling_layer" in inspect.signature(type(model).__init__).parameters:
        model.pooler = None
    return Embeddings(model, inputs, pooling["ways"], bool(pooling["normalize"]), int(model.config.hidden_size), width)


def _auto(transformers: Any, inputs: Sequence[str]) -> Any:
    return getattr(transformers, _AUTO[next((key for key, name in _SAID_BY.items() if name in inputs), "tokens")])
