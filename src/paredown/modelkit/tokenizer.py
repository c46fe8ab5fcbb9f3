"""A model's own tokenizer as one file, and the options of the text encoder. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.core.errors import BadModel
from paredown.ground import digests
from paredown.ground.lazy import need
from paredown.ground.untrusted import read_json

FILE = "tokenizer.json"
_WHOLE = ("TokenizersBackend", "PreTrainedTokenizerFast")
ROLES = {"input_ids": "ids", "attention_mask": "mask", "token_type_ids": "types"}
_NAMES = (FILE, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "*.model")


def files_of(path: Path) -> list[Path]:
    """The files that make a tokenizer: `path` itself, or those of a folder, in order of their names."""
    return [path] if path.is_file() else sorted(item for name in _NAMES for item in path.glob(name))


def digest(path: Path) -> str:
    """Over the names and bytes of a tokenizer's files."""
    return digests.of_value([[item.name, digests.of_file(item)] for item in files_of(path)])


def named(options: Mapping[str, Any], folder: Path) -> Path | None:
    """The tokenizer that a model's entry names beside it: a folder or a tokenizer.json; None when it names none.

    Raises:
        BadModel: It is not there.
    """
    if "tokenizer" not in options:
        return None
    path = folder / str(options["tokenizer"])
    if not files_of(path):
        raise BadModel(f"{path} holds no tokenizer.\n  `tokenizer:` names a {FILE}, or the folder of a Hugging Face tokenizer.")
    return path


def encoding(path: Path, work: Path) -> dict[str, Any]:
    """Write a tokenizer as one file and say how it is used.

    Args:
        path: A tokenizer.json, or a folder that transformers can open a tokenizer from.
        work: Takes the file.

    Returns:
        Options of the text encoder: tokenizer, inputs, max_length where the tokenizer has a limit, pad, cut.

    Raises:
        BadModel: It cannot be opened; it has no fast form; it has no token for padding.
    """
    if path.is_file():
        return _from_file(path, work)
    tokenizer = _opened(path)
    if not tokenizer.is_fast:
        raise BadModel(
            f"{path}: the tokenizer {type(tokenizer).__name__} runs in Python only; an artifact needs the fast form, a {FILE}.\n"
            "  A slow one costs more than a small model and needs transformers where it is deployed. Convert it, or take another model."
        )
    if tokenizer.pad_token_id is None:
        raise BadModel(
            f"{path}: the tokenizer has no token for padding.\n  Set one: `tokenizer.pad_token = tokenizer.eos_token`, and save it again."
        )
    tokenizer.backend_tokenizer.save(str(work / FILE))
    limit = {"max_length": int(tokenizer.model_max_length)} if tokenizer.model_max_length < 1_000_000 else {}
    return {
        "tokenizer": FILE,
        "inputs": {name: ROLES[name] for name in tokenizer.model_input_names if name in ROLES},
        "pad": _pad(tokenizer.pad_token_id, tokenizer.pad_token_type_id, tokenizer.padding_side),
        "cut": tokenizer.truncation_side,
    } | limit


def numbers(path: Path, texts: Sequence[Any]) -> list[list[int]]:
    """The token numbers of texts, or of pairs, by the tokenizer in a folder."""
    tokenizer = _opened(path)
    return [tokenizer(text)["input_ids"] if isinstance(text, str) else tokenizer(*text)["input_ids"] for text in texts]


def _opened(path: Path) -> Any:
    transformers = need("transformers", "opening a tokenizer")
    # for some kinds of model transformers builds its own class from the words of a tokenizer that says of itself that it is none
    auto = transformers.PreTrainedTokenizerFast if _class_of(path) in _WHOLE else transformers.AutoTokenizer
    try:
        return auto.from_pretrained(str(path), trust_remote_code=False, local_files_only=True)
    except Exception as error:
        raise BadModel(f"{path}: the tokenizer cannot be opened: {type(error).__name__}: {str(error)[:300]}") from error


def _class_of(path: Path) -> str:
    """The class that a tokenizer's folder names, where it holds the tokenizer whole; else empty."""
    config = path / "tokenizer_config.json"
    if not config.is_file() or not (path / FILE).is_file():
        return ""
    try:
        found = read_json(config)
    except (OSError, ValueError):
        return ""
    return str(found.get("tokenizer_class", "")) if isinstance(found, Mapping) else ""


def _pad(token: int, kind: int, side: str) -> dict[str, Any]:
    return {"id": int(token), "type_id": int(kind), "direction": side}


def _from_file(path: Path, work: Path) -> dict[str, Any]:
    tokenizers = need("tokenizers", "opening a tokenizer")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises a bare Exception
        raise BadModel(f"{path} is no tokenizer: {str(error)[:200]}.\n  Give a {FILE} as the package `tokenizers` writes it.") from error
    padding = tokenizer.padding or {}
    known = (tokenizer.token_to_id(token) for token in ("[PAD]", "<pad>"))
    found = padding.get("pad_id", next((token for token in known if token is not None), None))
    if found is None:
        raise BadModel(
            f"{path} says no token for padding, and has neither [PAD] nor <pad>.\n  Call `enable_padding(...)` and save it again."
        )
    tokenizer.save(str(work / FILE))
    limit = {"max_length": int(tokenizer.truncation["max_length"])} if tokenizer.truncation else {}
    inputs = {"input_ids": "ids", "attention_mask": "mask"}
    return {"tokenizer": FILE, "inputs": inputs, "pad": _pad(found, 0, padding.get("direction", "right")), "cut": "right"} | limit
