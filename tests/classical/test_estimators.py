"""Fitted estimators as graphs: what stands in the graph answers as the estimator does, by columns and their names; what cannot is named."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

from paredown.classical import estimators
from paredown.classical.estimator_check import compared, settled
from paredown.core.errors import BadModel
from paredown.graphs import declared

DRAW = np.random.default_rng(3)
COUNT = 240
X = DRAW.normal(size=(COUNT, 4)).astype(np.float32)
GAPS = np.where(DRAW.random(X.shape) < 0.1, np.nan, X).astype(np.float32)
Y = np.array(["blue", "green", "red"], object)[np.digitize(X[:, 0] + X[:, 1] ** 2, [0.2, 1.5])]
VALUE = X[:, 0] * 3 + np.abs(X[:, 1]) * 100
CITY = np.array(["oslo", "rome", "bonn", ""], object)[DRAW.integers(0, 4, COUNT)]
NOTE = np.array(["a good Room", "bad, bad room", "café na ïve", "über-cold room x"], object)[DRAW.integers(0, 4, COUNT)]
TABLE = {"f a": GAPS[:, 0], "city": CITY, "size": X[:, 1], "note": NOTE, "pay": X[:, 2]}


def frame(table: dict[str, Any] = TABLE) -> Any:
    return pandas.DataFrame({key: np.where(v == "", np.nan, v) if key == "city" else v for key, v in table.items()})


def held(estimator: Any, rows: Any) -> str:
    return settled(estimator, rows, "m.joblib")[1]


def quietly(estimator: Any, rows: Any, goal: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(rows, goal)


PLAIN = [
    (LogisticRegression(), X, Y),
    (make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()), GAPS, Y),
    (RandomForestClassifier(8, random_state=0), X, Y),
    (HistGradientBoostingClassifier(max_iter=5), GAPS, Y),
    (HistGradientBoostingClassifier(max_iter=5), X, Y == "red"),
    (GradientBoostingClassifier(n_estimators=5), X, Y == "red"),
    (HistGradientBoostingRegressor(max_iter=20), GAPS, VALUE),
    (ExtraTreesRegressor(8, random_state=0), X, VALUE),
    (MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0), X, VALUE),
    (LinearRegression(), X, VALUE),
    (RidgeClassifier(), X, Y),
    (SVC(), X, Y),
    (KNeighborsClassifier(), X, Y),
    (GaussianNB(), X, Y),
    (AdaBoostClassifier(n_estimators=5, random_state=0), X, Y),
    (GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2), X, Y),
    (VotingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], voting="soft"), X, Y),
    (StackingClassifier([("a", LogisticRegression()), ("b", GaussianNB())], cv=2), X, Y),
    (CalibratedClassifierCV(GaussianNB(), cv=2), X, Y),
]


@pytest.mark.parametrize("case", PLAIN, ids=[type(case[0]).__name__ + str(at) for at, case in enumerate(PLAIN)])
def test_estimators_of_arrays_answer_as_they_do(case: tuple[Any, Any, Any]) -> None:
    estimator, rows, goal = case
    said = held(quietly(estimator, rows, goal), rows)
    assert said.endswith(f"in all of {COUNT} rows that both were asked."), said


def mixed(final: Any, **more: Any) -> Any:
    words = Pipeline([("fill", SimpleImputer(strategy="most_frequent")), ("hot", OneHotEncoder(handle_unknown="ignore"))])
    numbers = Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler())])
    parts = [("numbers", numbers, ["size", "f a", "pay"]), ("words", words, ["city"]), ("text", TfidfVectorizer(**more), "note")]
    return Pipeline([("prepare", ColumnTransformer(parts)), ("final", final)])


def test_a_pipeline_with_words_texts_and_numbers_goes_by_the_names_of_its_columns() -> None:
    estimator = quietly(mixed(LogisticRegression()), frame(), Y)
    model = estimators.converted(estimator, "m")
    found = declared.look(model)
    assert found.columns == {"numbers": ["size", "f a", "pay"], "words": ["city", "note"]}
    assert found.classes == ("blue", "green", "red")
    turned = dict(reversed(TABLE.items()))
    assert compared(model, estimator, turned, "m").endswith("rows that both were asked.")


@pytest.mark.parametrize(
    "estimator",
    [
        mixed(RandomForestClassifier(5, random_state=0)),
        mixed(LogisticRegression(), ngram_range=(1, 2), sublinear_tf=True),
        mixed(LogisticRegression(), stop_words=["good"], min_df=2),
        Pipeline([
            ("all", ColumnTransformer([("hot", OneHotEncoder(handle_unknown="ignore"), ["city"]), ("rest", "drop", ["note"])],
                                      remainder="passthrough")),
            ("final", HistGradientBoostingClassifier(max_iter=4)),
        ]),
        make_pipeline(
            ColumnTransformer([
                ("code", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["note"]),
                ("numbers", SimpleImputer(), make_column_selector(dtype_include=np.number)),
            ]),
            RandomForestClassifier(5, random_state=0),
        ),
        make_pipeline(
            FeatureUnion([
                ("words", ColumnTransformer([("count", CountVectorizer(), "note")])),
                ("numbers", ColumnTransformer([("keep", "passthrough", slice("size", "size"))])),
            ]),
            LogisticRegression(),
        ),
    ],
    ids=["forest", "pairs of words", "stop words", "passed through", "selected by kind", "beside each other"],
)  # fmt: skip
def test_columns_are_found_however_they_are_named(estimator: Any) -> None:
    assert held(quietly(estimator, frame(), Y), TABLE).endswith("rows that both were asked.")


def test_texts_alone() -> None:
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(NOTE, Y)
    assert estimators.taken(estimator).texts
    assert held(estimator, {"anything": NOTE}).endswith("rows that both were asked.")


class Shouted(TransformerMixin, BaseEstimator):
    def fit(self, rows: Any, goal: Any = None) -> Shouted:
        self.n_features_in_ = rows.shape[1]
        return self

    def transform(self, rows: Any) -> Any:
        return rows


@pytest.mark.parametrize(
    ("estimator", "goal", "said"),
    [
        (Pipeline([("own", Shouted()), ("final", LogisticRegression())]), Y, r"its step 'own', a Shouted, has no converter to ONNX."),
        (HistGradientBoostingRegressor(max_iter=2, categorical_features=[0]), VALUE, "splits by category .`categorical_features`."),
        (make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()), Y, "does not take its step 'functiontransformer'"),
    ],
    ids=["own", "by category", "function"],
)  # fmt: skip
def test_a_step_that_cannot_be_converted_is_named(estimator: Any, goal: Any, said: str) -> None:
    rows = np.abs(np.rint(X))
    with pytest.raises(BadModel, match=said):
        estimators.converted(quietly(estimator, rows, goal), "m.joblib")


def test_steps_that_the_converter_reads_otherwise_are_refused_by_name() -> None:
    code = ColumnTransformer([("code", OrdinalEncoder(), ["city"])])
    with pytest.raises(BadModel, match="the OrdinalEncoder was fitted on columns of words with missing ones"):
        estimators.converted(make_pipeline(code, RandomForestClassifier(3)).fit(frame(), Y), "m")
    texts = make_pipeline(TfidfVectorizer(stop_words=["bad"], ngram_range=(1, 2)), LogisticRegression()).fit(NOTE, Y)
    with pytest.raises(BadModel, match="the TfidfVectorizer leaves out words before it puts others together"):
        estimators.converted(texts, "m")


def test_what_is_not_fitted_is_told() -> None:
    with pytest.raises(BadModel, match="the LogisticRegression does not say how many columns it takes, as one that is not fitted"):
        estimators.converted(LogisticRegression(), "m")
    with pytest.raises(BadModel, match="takes words beside numbers cannot be converted without a ColumnTransformer"):
        estimators.converted(make_pipeline(OrdinalEncoder(), LogisticRegression()).fit(frame()[["note", "size"]], Y), "m")


def test_trees_that_split_within_float32_are_told_from_a_wrong_graph() -> None:
    fine = 1 + np.arange(COUNT) * 1e-9
    goal = (np.arange(COUNT) % 2).astype(float)
    estimator = HistGradientBoostingRegressor(max_iter=30, min_samples_leaf=1).fit(fine[:, None], goal)
    with pytest.raises(BadModel, match=r"fit it on `X.astype\('float32'\)`"):
        held(estimator, fine[:, None])
    rows = X.astype(np.float64)
    one = HistGradientBoostingRegressor(max_iter=10).fit(rows, VALUE)
    other = HistGradientBoostingRegressor(max_iter=11).fit(rows, VALUE)
    with pytest.raises(BadModel, match=r"of 240 rows are answered otherwise by the graph made of m .*\n  The converter reads a step"):
        compared(estimators.converted(one, "m"), other, rows, "m")


def test_a_few_rows_that_are_answered_otherwise_are_counted() -> None:
    rows = np.concatenate([X[:, :1].astype(np.float64), [[float(X[5, 0]) + 1e-12]]])
    estimator = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=1).fit(rows, np.r_[np.zeros(COUNT), 100.0])
    said = held(estimator, rows)
    assert said.startswith(
        "1 of 241 rows are answered otherwise by the graph made of m.joblib than by the HistGradientBoostingRegressor itself"
    )
    assert "its trees tell numbers apart that are one in float32" in said


def test_rows_that_it_does_not_take_are_told() -> None:
    estimator = ColumnTransformer([("hot", OneHotEncoder(), ["city"])])
    whole = Pipeline([("prepare", estimator), ("final", LogisticRegression())]).fit(frame()[["city"]], Y)
    with pytest.raises(BadModel, match=r"m.joblib itself does not take rows of these data: ValueError: Found unknown categories"):
        held(whole, {"city": np.array(["paris"] * 4, object)})


def test_a_detector_is_no_classifier(tmp_path: Path) -> None:
    model = estimators.converted(IsolationForest(n_estimators=4, random_state=0).fit(X), "m")
    assert "as detectors of anomalies do" in declared.look(model).problem + declared.look(model).one_number


@pytest.mark.parametrize("exact", [False, True], ids=["float32", "float64"])
def test_a_booster_behind_texts_takes_zeros_for_gaps_and_weights_to_the_last_digit(exact: bool) -> None:
    """Most of what a text gives are zeros, which are a sparse matrix; its weights are thresholds of the trees."""
    xgboost = pytest.importorskip("xgboost")
    words = np.array(["red", "blue", "oak", "pine", "small", "large", "old", "new", "cold", "warm", "dry", "wet"], object)
    texts = np.array([" ".join(DRAW.choice(words, DRAW.integers(2, 6))) for _ in range(COUNT)], object)
    numbers = np.rint(10 * X[:, 0]).astype(np.float64 if exact else np.float32)
    parts = [("text", TfidfVectorizer(), "said"), ("numbers", StandardScaler(with_mean=False), ["size"])]
    model = make_pipeline(ColumnTransformer(parts, sparse_threshold=1.0), xgboost.XGBClassifier(n_estimators=30, max_depth=4, nthread=1))
    table = {"said": texts, "size": numbers}
    model.fit(pandas.DataFrame(table), np.char.count(texts.astype(str), "red") + (numbers > 3))
    assert model[0].sparse_output_
    assert held(model, table).endswith(f"in all of {COUNT} rows that both were asked.")
