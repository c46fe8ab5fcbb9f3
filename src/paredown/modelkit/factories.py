"""What a blueprint from anywhere may build: paredown's own factories, with arguments that are sizes and name nothing to fetch or run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paredown.core.errors import NotTrusted
from paredown.ground import digests, trust
from paredown.ground.checks import Check, is_list, is_record, is_text, is_whole, refuse
from paredown.modelkit import layered

_PLAIN = re.compile(r"[A-Za-z0-9_. -]{0,64}")
# what a configuration can ask transformers to fetch, to import or to call
_REACHES_OUT = re.compile(
    r"auto_map|custom|trust|quantization|attn_implementation|experts_implementation|kernel|backbone|timm|hub|path|file|url|adapter|peft"
    r"|^architecture$|^(base_model|text_encoder|tokenizer)(_.*)?$"
)
_MOST_CLASSES, _MOST_WIDTH = 1_000_000, 1 << 20
_MOST_COLUMNS, _MOST_STEPS = 10_000, 256


def _is_structure(value: Any, place: str) -> None:
    """A configuration of transformers that is only sizes, switches and plain words."""
    if isinstance(value, dict):
        for key, item in value.items():
            if item not in (None, False) and _REACHES_OUT.search(key) and key != "_name_or_path":
                raise ValueError(f"has {place}.{key:.60}, which may name code or files of others")
            _is_structure(item, f"{place}.{key:.60}")
    elif isinstance(value, list):
        for at, item in enumerate(value):
            _is_structure(item, f"{place}[{at}]")
    elif isinstance(value, str) and not _PLAIN.fullmatch(value):
        refuse(place, value, "a plain word")


def _is_digest(value: Any, place: str) -> None:
    if not digests.is_digest(value):
        refuse(place, value, "a digest")


_CLASSES, _WIDTHS = is_whole(1, _MOST_CLASSES), is_list(is_whole(1, _MOST_WIDTH), 0, 64)
OWN: Mapping[str, Check] = {
    "paredown.modelkit.nets:digits_cnn": is_record(
        {}, {"classes": _CLASSES, "channels": is_whole(1, _MOST_WIDTH), "widths": is_list(is_whole(1, _MOST_WIDTH), 3, 3)}, closed=True
    ),
    "paredown.modelkit.nets:mlp": is_record({"inputs": is_whole(1, _MOST_WIDTH), "classes": _CLASSES}, {"hidden": _WIDTHS}, closed=True),
    "paredown.modelkit.nets:table_net": is_record(
        {"steps": is_list(is_whole(1, _MOST_STEPS), 1, _MOST_COLUMNS), "classes": _CLASSES},
        {"hidden": _WIDTHS, "gaps": is_whole(0, _MOST_COLUMNS)},
        closed=True,
    ),
    "paredown.modelkit.pretrained:build": is_record(
        {"config": is_record({"model_type": _is_structure}), "inputs": is_list(is_text, 1, 3), "classes": _CLASSES}, closed=True
    ),
    layered.FACTORY: layered.ARGUMENTS,
    # opens a file only where this user's paredown on this machine has sealed it
    "paredown.modelkit.memory:build": is_record({"fingerprint": _is_digest, "sha256": _is_digest}, closed=True),
}
"""Factory -> the arguments that it may be called with."""


def strange(factory: str, arguments: Mapping[str, Any]) -> str:
    """Why a factory is not called without the user's word; empty where it is.

    It is called where it is paredown's own and its arguments are within bounds, where the user has named it, and where this user's paredown
    has built with it on this machine: the job, or an installed technique, named it then.
    """
    if factory in trust.trusted() or trust.is_remembered(factory, arguments):
        return ""
    if factory not in OWN:
        return f"is built by {factory!r:.80}, the code of whoever made it, which is not called"
    try:
        OWN[factory](dict(arguments), "arguments")
        if "config" in arguments:
            _is_structure(arguments["config"], "arguments.config")
    except ValueError as error:
        return f"is built by {factory} and {error}"
    return ""


def refuse_strange(factory: str, arguments: Mapping[str, Any], where: Path | str) -> None:
    """Refuse a factory that is not called without the user's word.

    Args:
        factory, arguments: As in `strange`.
        where: What names it: a blueprint's file, or a step of a recipe.

    Raises:
        NotTrusted: Says which, and how to give the word.
    """
    if why := strange(factory, arguments):
        raise NotTrusted(
            f"{where}: the model {why}.\n"
            f"  Where you have that code and trust it, say so: `--trust {factory:.80}`, or `paredown.load(..., trust=({factory!r:.80},))`."
        )
