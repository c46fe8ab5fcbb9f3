"""How the vectors of a text's tokens become one vector: what a folder of sentence-transformers says. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paredown.core.errors import BadModel
from paredown.ground.untrusted import read_json

MODULES = "modules.json"
_LIMITS = "sentence_bert_config.json"
WAYS = ("cls", "max", "mean", "mean_sqrt_len_tokens")
"""Ways of pooling, in the order in which several are put one after the other."""
_KEYS = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "mean_sqrt_len_tokens": "mean_sqrt_len_tokens"}
_WIDTHS = ("hidden_size", "dim", "d_model", "n_embd", "embedding_size")
"""What configurations call the numbers of a token's vector."""


@dataclass(frozen=True, kw_only=True)
class Pooling:
    """From tokens to one vector.

    Args:
        ways: Of WAYS; several are put one after the other.
        normalize: Whether the vector has length 1.
        longest: Tokens of a row at most; 0 where nothing says it.
        said: One sentence on what is done, and who says so.
    """

    ways: tuple[str, ...]
    normalize: bool
    longest: int
    said: str

    def json(self) -> dict[str, Any]:
        """As a blueprint has it."""
        return {"ways": list(self.ways), "normalize": self.normalize}


def pooling_of(path: Path) -> Pooling:
    """What a folder says; one that says nothing has the mean over the tokens of a text.

    Args:
        path: A folder with config.json.

    Raises:
        BadModel: A file cannot be read; it names a module or a way of pooling that is not known.
    """
    if not (path / MODULES).is_file():
        said = f"{path.name} has no {MODULES}, which says how a text's tokens become one vector: their mean is taken, as it is."
        return Pooling(ways=("mean",), normalize=False, longest=0, said=said)
    modules = _read(path / MODULES)
    if not isinstance(modules, list) or not all(isinstance(item, Mapping) for item in modules):
        raise BadModel(f"{path / MODULES} is no list of modules.\n  Save the model again with sentence-transformers.")
    kinds = [str(item.get("type", "")).rpartition(".")[2] for item in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]) or modules[0].get("path"):
        raise BadModel(
            f"{path / MODULES} names {', '.join(kinds) or 'nothing'}; known are Transformer (in the folder itself), Pooling, Normalize.\n"
            "  Build it with `python: my.module:build`, which answers with a vector for each row."
        )
    at = path / str(modules[1].get("path", "")) / "config.json"
    found = _read(at) if at.resolve().is_relative_to(path.resolve()) else None
    if not isinstance(found, Mapping):
        raise BadModel(f"{at} is no configuration of pooling.\n  Save the model again with sentence-transformers.")
    asked = [key.removeprefix("pooling_mode_") for key, value in found.items() if key.startswith("pooling_mode_") and value is True]
    named = found.get("pooling_mode")
    asked += (
        [f"{named}_tokens" if named in ("mean", "max") else f"{named}_token" if named == "cls" else named] if isinstance(named, str) else []
    )
    strange = [key for key in asked if key not in _KEYS.values()]
    if strange or not asked:
        raise BadModel(
            f"{at} asks for {' and '.join(strange) or 'no pooling'}; known are {', '.join(_KEYS.values())}.\n"
            "  Build it with `python: my.module:build`, which answers with a vector for each row."
        )
    ways, normalize = tuple(way for way in WAYS if _KEYS[way] in asked), "Normalize" in kinds
    limits = _read(path / _LIMITS) if (path / _LIMITS).is_file() else {}
    longest = limits.get("max_seq_length") if isinstance(limits, Mapping) else None
    longest = longest if type(longest) is int and longest > 0 else 0
    said = f"A text's vector is the {' and the '.join(ways)} of its tokens{', of length 1' if normalize else ''}, as {MODULES} says"
    return Pooling(ways=ways, normalize=normalize, longest=longest, said=f"{said}; {longest} tokens at most." if longest else f"{said}.")


def width_of_tokens(config: Mapping[str, Any]) -> int:
    """Numbers of the vector of each token, as config.json says; 0 where it does not."""
    return next((value for key in _WIDTHS if type(value := config.get(key)) is int and value > 0), 0)


def _read(path: Path) -> Any:
    try:
        return read_json(path, finite=False)
    except (OSError, ValueError) as error:
        raise BadModel(f"{path} cannot be read: it {error}.\n  Save the model again with sentence-transformers.") from error
