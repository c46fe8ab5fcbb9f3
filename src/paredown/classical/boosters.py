"""Models of XGBoost and LightGBM that are no estimators of scikit-learn's kind by themselves, as such."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from paredown.core.errors import BadModel
from paredown.ground.lazy import need

_NAMELESS = re.compile(r"(Column_|f)\d+")
"""How both call the columns of an array."""


class _Booster(BaseEstimator):
    """A booster of LightGBM as the converter and the check ask for it."""

    maker = "lightgbm"
    boosting_type = "gbdt"

    def __init__(self, booster: Any = None) -> None:
        self.booster = booster

    @property
    def booster_(self) -> Any:
        return self.booster

    @property
    def objective_(self) -> str:
        return str(self.booster.dump_model(num_iteration=1)["objective"]).partition(" ")[0]

    @property
    def n_features_in_(self) -> int:
        return int(self.booster.num_feature())

    @property
    def feature_names_in_(self) -> Any:
        names = self.booster.feature_name()
        if all(_NAMELESS.fullmatch(name) for name in names):
            raise AttributeError("it was fitted without names of columns.")
        return np.array(names, object)

    def __deepcopy__(self, memo: Any) -> Any:
        return type(self)(self.booster)  # only asked


class BoosterRegressor(RegressorMixin, _Booster):
    """One that answers with numbers."""

    def predict(self, rows: Any) -> Any:
        """Numbers (N,)."""
        return self.booster.predict(rows)


class BoosterClassifier(ClassifierMixin, _Booster):
    """One that answers with probabilities."""

    @property
    def classes_(self) -> Any:
        """The places of its outputs."""
        return np.arange(max(2, int(self.booster.dump_model(num_iteration=1)["num_class"])))

    def predict_proba(self, rows: Any) -> Any:
        """Probabilities (N, classes)."""
        found = np.asarray(self.booster.predict(rows))
        return np.stack([1 - found, found], axis=1) if found.ndim == 1 else found

    def predict(self, rows: Any) -> Any:
        """The most probable class (N,)."""
        return self.predict_proba(rows).argmax(axis=1)


def read(path: Path, maker: str) -> Any:
    """The model in a file that XGBoost or LightGBM wrote.

    Args:
        maker: "xgboost" or "lightgbm".

    Raises:
        MissingExtra: That is not installed.
        BadModel: It ranks, or does what no estimator does.
    """
    package: Any = need(maker, f"the model in {path.name}")
    if maker == "lightgbm":
        return wrapped(package.Booster(model_file=str(path)))
    booster = package.Booster()
    booster.load_model(str(path))
    return wrapped(booster)


def wrapped(model: Any) -> Any:
    """A booster as an estimator; anything else as it is."""
    maker = type(model).__module__.partition(".")[0]
    if type(model).__name__ != "Booster" or maker not in ("xgboost", "lightgbm"):
        return model
    if maker == "lightgbm":
        objective = _Booster(model).objective_
        made: Any = BoosterClassifier(model) if objective.startswith(("binary", "multiclass")) else BoosterRegressor(model)
    else:
        package: Any = need("xgboost", "a model of XGBoost")
        objective = str(json.loads(model.save_config())["learner"]["objective"]["name"])
        made = package.XGBClassifier() if objective.startswith(("binary:", "multi:")) else package.XGBRegressor()
        made.load_model(model.save_raw("ubj"))
    if "rank" in objective:
        raise BadModel(
            f"the model ranks ({objective}), and no task here is about orders.\n  Give one that answers with classes or numbers."
        )
    return made
