"""A Keras model that lives in this program, whatever Keras runs on here."""

from __future__ import annotations

import json
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadModel
from paredown.ground.files import remove, settle


def is_one(model: Any) -> bool:
    """Whether it is a model of Keras 3; nothing is imported."""
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(model).__mro__]
    return any(name.startswith("keras.") and name.endswith(".Model") for name in names)


def kept(model: Any, place: Path) -> str:
    """The model as a .keras file in a folder of the study, written once; returns the file's name.

    Raises:
        BadModel: Keras cannot save it.
    """
    part = place / ".part.keras"
    remove(part)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = sha256(json.dumps(model.get_config(), sort_keys=True, default=str).encode())
            for array in model.get_weights():
                said.update(np.ascontiguousarray(array).tobytes())
            model.save(part)
    except Exception as error:  # keras raises what it likes
        raise BadModel(
            f"the Keras model {model.name!r} cannot be saved: {type(error).__name__}: {str(error).partition(chr(10))[0][:300]}\n"
            "  A Functional or Sequential model of Keras's own layers can."
        ) from error
    target = place / f"model-{said.hexdigest()[:16]}.keras"
    settle(part, target)
    return target.name
