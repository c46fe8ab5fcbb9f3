"""`model: {estimator: model.joblib}`: a fitted estimator of scikit-learn's kind, or a model of XGBoost or LightGBM in its own file."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from paredown.classical import estimators
from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel, ParedownError
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.core.technique import Context
from paredown.graphs import declared
from paredown.ground import digests, opened_files, registry, user_code
from paredown.ground.files import PICKLES
from paredown.ground.lazy import need
from paredown.kinds.known import kind_of
from paredown.kinds.numbers import Numbers

_MAKERS = ("sklearn", "xgboost", "lightgbm", "pandas")
_HEAD_B = 4096
_ASKED = 512
"""Rows of the job that estimator and graph are both asked, at most."""
_MADE: dict[str, tempfile.TemporaryDirectory[str]] = {}
"""Digest of a file -> where this process keeps the graph that it made of it."""


class Estimator(ModelSource):
    """A fitted estimator or pipeline, turned into an ONNX graph that is held against it; a pickle is code of yours, and runs as such."""

    forms: ClassVar[tuple[str, ...]] = ("onnx",)

    def trains(self, spec: ModelSpec) -> bool:
        """Never."""
        return False

    def opens(self, path: Path) -> bool:
        """A pickle, or a file that XGBoost or LightGBM wrote."""
        return path.is_file() and (path.suffix.lower() in PICKLES or bool(maker_of(path)))

    def digest(self, spec: ModelSpec, folder: Path) -> str:
        """Over the file's bytes."""
        return digests.of_value([spec.kind, digests.of_file(_file(spec, folder))])

    def labels(self, spec: ModelSpec, folder: Path) -> tuple[str, ...]:
        """The classes that it was fitted on."""
        return declared.read(graph_of(_file(spec, folder), folder)).classes

    def outputs(self, spec: ModelSpec, folder: Path) -> int:
        """As the graph declares."""
        return declared.read(graph_of(_file(spec, folder), folder)).width

    def preprocess(self, spec: ModelSpec, folder: Path, work: Path) -> dict[str, Any]:
        """Which of its columns go where, as the graph says it."""
        path = graph_of(_file(spec, folder), folder)
        made: dict[str, Any] = registry.get("models", "onnx")().preprocess(_as_graph(path), path.parent, work)
        return made

    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """Convert it, hold the graph against it on rows of the job, and store the graph as any other."""
        checks: Any = need("paredown.classical.estimator_check", "a scikit-learn model")
        path = _file(spec, folder)
        estimator, said = _opened(path, folder)
        opened_files.tell([path])
        graph = graph_of(path, folder, estimator)
        found, kind = declared.read(graph), kind_of(context.decode).name
        given = estimators.inner(estimator)
        if kind == Numbers.name and hasattr(given, "classes_"):
            raise BadModel(
                f"{path.name} is a {type(given).__name__}, which answers with classes; the task is about numbers.\n"
                "  Write `task: tabular-classification`, or give a regressor."
            )
        rows = context.rows(next(iter(context.data))).spread(_ASKED)
        alone = not found.columns and [end.name for end in found.inputs] == [estimators.NUMBERS]
        asked = _as_fed(rows.inputs, context.encode(rows.inputs)) if alone else rows.inputs
        model, note = checks.settled(estimator, asked, path.name)
        here = context.work / graph.name
        estimators.write(model, here)
        made: Candidate = registry.get("models", "onnx")().prepare(_as_graph(here), context.work, inputs, classes, context)
        return replace(made, note=" ".join(filter(None, (made.note, said, note, estimators.told(model)))))


def _as_graph(path: Path) -> ModelSpec:
    return ModelSpec(kind="onnx", value=path.name)


def _as_fed(inputs: Any, feed: Mapping[str, Any]) -> Any:
    """Rows (N, D) for an estimator without names of columns: as they stand where the task feeds them like that, else as it feeds them."""
    (fed,) = feed.values()
    values = [*inputs.values()] if isinstance(inputs, Mapping) else [inputs]
    if all(column.dtype.kind in "buif" for column in values):
        whole = np.stack(values, axis=1) if isinstance(inputs, Mapping) else inputs
        if np.array_equal(whole.astype(np.float32), fed, equal_nan=True):
            return whole.astype(np.float64)
    return np.asarray(fed, np.float64)


def _file(spec: ModelSpec, folder: Path) -> Path:
    path = folder / spec.value
    if not path.is_file():
        raise BadModel(f"{path} does not exist.\n  `estimator:` names a file, from the job file's folder on.")
    return path


def graph_of(path: Path, folder: Path, estimator: Any = None) -> Path:
    """The graph that is made of a file, once in this process."""
    key = digests.of_file(path)
    if key not in _MADE:
        model = estimators.converted(_opened(path, folder)[0] if estimator is None else estimator, path.name)
        _MADE[key] = tempfile.TemporaryDirectory()
        estimators.write(model, Path(_MADE[key].name) / f"{path.name}.onnx")
    return Path(_MADE[key].name) / f"{path.name}.onnx"


def maker_of(path: Path) -> str:
    """ "xgboost" or "lightgbm" where a file is a model as they write it; else empty. Nothing in it is run."""
    with path.open("rb") as file:
        head = file.read(_HEAD_B)
    if head.startswith(b"tree\nversion="):
        return "lightgbm"
    return "xgboost" if b"learner" in head[:64] and head[:1] == b"{" else ""


def _opened(path: Path, folder: Path) -> tuple[Any, str]:
    """The estimator in a file, and what is to be said of its opening; a pickle runs what is in it.

    Raises:
        BadModel: It cannot be opened, or holds something else; says what.
        MissingExtra: What it was made with is not installed.
    """
    maker = maker_of(path)
    if not maker and path.suffix.lower() not in PICKLES:
        raise BadModel(
            f"{path.name} is neither a pickle ({', '.join(PICKLES)}) nor a model that XGBoost (.json, .ubj) or LightGBM (.txt) wrote.\n"
            "  Save the fitted estimator by `joblib.dump(model, 'model.joblib')`, or by the booster's own `save_model`."
        )
    boosters: Any = need("paredown.classical.boosters", "a scikit-learn model")
    joblib: Any = need("joblib", "a scikit-learn model")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            with user_code.beside(folder):
                found = boosters.read(path, maker) if maker else boosters.wrapped(joblib.load(path))
        except ParedownError:
            raise
        except ModuleNotFoundError as error:
            absent = (error.name or "").partition(".")[0]
            if absent in _MAKERS:
                need(absent, f"the model in {path.name}")
            raise BadModel(
                f"{path.name} was made with {absent}, which is neither beside the job nor installed.\n"
                "  Put the module that it was saved from beside the job file, or install the package."
            ) from error
        except Exception as error:  # what a pickle runs raises what it likes
            where = (
                "__main__" in str(error) and "  A class of the script that saved it is gone with it: put it into a module beside the job."
            )
            raise BadModel(
                f"{path.name} cannot be opened: {type(error).__name__}: {' '.join(str(error).split())[:300]}.\n"
                + (
                    where
                    or "  Save it again with the versions of its packages that are installed here, or install those it was saved with."
                )
            ) from error
    if not estimators.is_estimator(found):
        raise BadModel(
            f"{path.name} holds a {type(found).__name__}, which is no estimator that predicts.\n"
            "  Save the fitted estimator or pipeline itself. A torch module goes by `python:`, with its weights beside it."
        )
    other = next((str(item.message) for item in heard if item.category.__name__ == "InconsistentVersionWarning"), "")
    saved = re.search(r"from version (\S+) when using version (\S+?)\.? ", other)
    return found, f"{path.name} was saved by scikit-learn {saved[1]} and opened by {saved[2]}." if saved else ""
