"""Imports that happen on use, with an error that says what to install."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType

from paredown.core.errors import MissingExtra

# package -> (name on the index, extra)
_EXTRAS = {
    "torch": ("torch", "compress"),
    "onnx": ("onnx", "compress"),
    "onnxscript": ("onnxscript", "compress"),
    "safetensors": ("safetensors", "compress"),
    "sklearn": ("scikit-learn", "compress"),
    "transformers": ("transformers", "compress"),
    "pyarrow": ("pyarrow", "compress"),
    "cloudpickle": ("cloudpickle", "compress"),
    "skl2onnx": ("skl2onnx", "estimators"),
    "onnxmltools": ("onnxmltools", "estimators"),
    "joblib": ("scikit-learn", "estimators"),
    "pandas": ("pandas", "estimators"),
    "xgboost": ("xgboost-cpu", "estimators"),
    "lightgbm": ("lightgbm", "estimators"),
    "datasets": ("datasets", "datasets"),
    "openvino": ("openvino", "openvino"),
    "nncf": ("nncf", "openvino"),
    "keras": ("keras", "keras"),
    "h5py": ("h5py", "keras"),
    "ai_edge_litert": ("ai-edge-litert", "litert"),
    "ai_edge_quantizer": ("ai-edge-quantizer", "litert"),
    "tensorflow": ("tensorflow-cpu", "tensorflow"),
    "tf2onnx": ("tf2onnx", "tensorflow"),
    "pynvml": ("nvidia-ml-py", "gpu"),
}


def need(module: str, purpose: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: Dotted module name; one of ours too, which itself imports an optional package.
        purpose: Who needs it, as the subject of the message: "quantize_static".

    Raises:
        MissingExtra: It is not installed; the message says the install line.
    """
    if module.partition(".")[0] in ("onnxruntime", "openvino", "nncf"):
        hush()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        absent = (error.name or "").partition(".")[0]
        if absent not in _EXTRAS and (absent != module.partition(".")[0] or absent == "paredown"):
            raise
        package, extra = _EXTRAS.get(absent, (absent, "all"))
        raise MissingExtra(package, extra, purpose) from None


def hush() -> None:
    """Keep onnxruntime, openvino and nncf from reporting to their makers, which all of them do from their import on.

    The first reads the variable; the other two leave reporting out where the module for it is absent, as here from now on.
    """
    os.environ |= {"ORT_DISABLE_TELEMETRY": "1", "NNCF_CI": "1"}
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


def missing(module: str, purpose: str) -> str | None:
    """None when an optional package is installed, else what `need` would say; imports nothing."""
    top = module.partition(".")[0]
    if top in sys.modules or importlib.util.find_spec(top) is not None:
        return None
    return str(MissingExtra(*_EXTRAS.get(top, (top, "all")), purpose))
