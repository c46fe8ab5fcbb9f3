"""The converters to ONNX, skl2onnx and onnxmltools, as they are asked here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from paredown.ground.lazy import need


def register(steps: Iterable[Any]) -> None:
    """Tell skl2onnx of the converters of XGBoost and LightGBM, for steps that are models of theirs."""
    skl2onnx: Any = import_module("skl2onnx")
    shapes: Any = import_module("skl2onnx.common.shape_calculator")
    for step in steps:
        kind, maker = type(step).__name__, getattr(step, "maker", type(step).__module__.partition(".")[0])
        if maker not in ("xgboost", "lightgbm"):
            continue
        tools: Any = need(f"onnxmltools.convert.{maker}.operator_converters.{'XGBoost' if maker == 'xgboost' else 'LightGbm'}", kind)
        answers = shapes.calculate_linear_classifier_output_shapes if hasattr(step, "classes_") else None
        skl2onnx.update_registered_converter(
            type(step),
            f"{maker}{kind}",
            answers or shapes.calculate_linear_regressor_output_shapes,
            tools.convert_xgboost if maker == "xgboost" else tools.convert_lightgbm,
            options={"zipmap": [True, False, "columns"], "nocl": [True, False]} if answers else {"split": None},
            overwrite=True,
        )


@contextmanager
def plain_attributes() -> Iterator[None]:
    """While this lasts, flags go into nodes as whole numbers: the converter passes numpy's, which protobuf refuses from version 7 on."""
    module: Any = import_module("skl2onnx.common._container")
    given = module.make_node

    def make_node(*taken: Any, **attributes: Any) -> Any:
        return given(*taken, **{key: _without_flags(value) for key, value in attributes.items()})

    module.make_node = make_node
    try:
        yield
    finally:
        module.make_node = given


def _without_flags(value: Any) -> Any:
    if isinstance(value, list):
        return [int(item) if isinstance(item, bool | np.bool_) else item for item in value]
    return value.astype(np.int64) if isinstance(value, np.ndarray) and value.dtype == bool else value
