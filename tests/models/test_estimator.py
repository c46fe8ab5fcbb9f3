"""`model: {estimator: ...}`: pickles of scikit-learn's kind, the files of XGBoost and LightGBM; from the file to what an artifact says."""

from __future__ import annotations

import importlib
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from paredown.artifact.pack import Label, pack
from paredown.core.errors import BadData, BadModel
from paredown.core.job import ModelSpec
from paredown.core.rows import Rows
from paredown.core.task import Task
from paredown.encoders.feed import feed_shapes, make_encoder
from paredown.ground import user_code
from paredown.ground.lazy import missing
from paredown.models.estimator import Estimator, maker_of
from paredown.planning.model_entry import entry_of
from paredown.study.jobfile import read_job
from paredown.tasks.tabular_classification import TabularClassification
from paredown.tasks.tabular_regression import TabularRegression
from paredown.testing import tiny
from paredown.testing.contracts import check_model_source

DRAW = np.random.default_rng(1)
COUNT = 200
X = DRAW.normal(size=(COUNT, 3)).astype(np.float32)
TABLE: dict[str, Any] = {
    "size": X[:, 0],
    "Home town": np.array(["oslo", "rome", "bonn"], object)[DRAW.integers(0, 3, COUNT)],
    "said": np.array(["a good room", "a bad room, cold", "café"], object)[DRAW.integers(0, 3, COUNT)],
    "pay": X[:, 1],
}
Y = np.array(["no", "yes"], object)[(X[:, 0] + (TABLE["Home town"] == "oslo") > 0).astype(int)]
VALUE = X[:, 0] * 3 + X[:, 1] ** 2


def spec(path: Path) -> ModelSpec:
    return ModelSpec(kind="estimator", value=path.name)


def test_contract(tmp_path: Path) -> None:
    rows = tiny.rows()
    model = GradientBoostingClassifier(n_estimators=3).fit(tiny.encode_flat(rows.inputs)[tiny.FEED], rows.labels)
    joblib.dump(model, tmp_path / "m.joblib")
    made = check_model_source(Estimator(), spec(tmp_path / "m.joblib"), tmp_path, tmp_path / "scratch", flat=True)
    assert made.form == "onnx"
    assert "answers as the GradientBoostingClassifier itself does in all of 96 rows" in made.note


def packed(folder: Path, path: Path, task: Task, table: Any, labels: Any, names: tuple[str, ...]) -> tuple[Path, str]:
    """The artifact of an estimator in a file, and what was said of it."""
    rows = Rows(inputs=table, labels=labels, names=names)
    encode = task.encoder(rows, {"rare": "keep", **Estimator().preprocess(spec(path), path.parent, folder)})
    decode = task.decoder(names, encode)
    context = replace(tiny.context(folder / "study"), data={"train": lambda: rows}, encode=make_encoder(encode), decode=decode)
    made = Estimator().prepare(spec(path), path.parent, feed_shapes(encode), len(names), context)
    same = {"name": "m", "task": task.name(), "recipe": "x", "lineage": [], "labels": names, "isa": "avx2"}
    (folder / "out").mkdir()
    probe = task.probe(encode, 0)
    pack(Label(encode=encode, decode=decode, **same), made, "onnxruntime", {"threads": 1}, probe, context.store, folder / "out")
    return folder / "out", made.note


def test_a_pipeline_of_words_texts_and_numbers_predicts_without_what_it_was_made_with(tmp_path: Path) -> None:
    from paredown.artifact.load import load

    parts = [("hot", OneHotEncoder(handle_unknown="ignore"), ["Home town"]), ("text", TfidfVectorizer(), "said")]
    model = make_pipeline(ColumnTransformer(parts, remainder="passthrough"), LogisticRegression()).fit(pandas.DataFrame(TABLE), Y)
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(model))
    assert Estimator().labels(spec(path), tmp_path) == ("no", "yes")
    assert Estimator().outputs(spec(path), tmp_path) == 2
    turned = dict(reversed(TABLE.items()))
    out, note = packed(tmp_path, path, TabularClassification(), turned, (Y == "yes").astype(np.int64), ("no", "yes"))
    assert f"in all of {COUNT} rows" in note
    assert note.endswith("Its graph holds 8 words that it was fitted on, categories and parts of texts; they ship.")
    with load(out) as artifact:
        np.testing.assert_allclose(artifact.predict_proba(turned), model.predict_proba(pandas.DataFrame(TABLE)), atol=1e-4)
    pandas.DataFrame(TABLE).head(5).to_csv(tmp_path / "new.csv", index=False)
    alone = "import sys; sys.modules |= dict.fromkeys(['sklearn', 'pandas', 'onnx', 'paredown']); sys.argv = sys.argv[1:]\n"
    alone += "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", alone, str(out / "predict.py"), str(tmp_path / "new.csv")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert said == model.predict(pandas.DataFrame(TABLE).head(5)).tolist()


def boosters() -> list[Any]:
    return [
        pytest.param(maker, form, kind, id=f"{maker} {form} {kind}")
        for maker, forms in (("xgboost", ("joblib", "json", "ubj")), ("lightgbm", ("joblib", "txt")))
        for form in forms
        for kind in ("numbers", "two", "three")
    ]


@pytest.mark.parametrize(("maker", "form", "kind"), boosters())
def test_boosters_answer_as_they_do_from_each_of_their_files(maker: str, form: str, kind: str, tmp_path: Path) -> None:
    if missing(maker, "a test") is not None:
        pytest.skip(f"{maker} is not installed")
    goal: Any = VALUE if kind == "numbers" else np.digitize(VALUE, [0.0] if kind == "two" else [0.0, 1.0])
    rows = pandas.DataFrame({"size": X[:, 0], "the pay": X[:, 1], "rate": X[:, 2]})
    rows.loc[::7, "rate"] = np.nan
    model = _booster(maker, kind).fit(rows, goal)
    path = tmp_path / f"m.{form}"
    if form == "joblib":
        joblib.dump(model, path)
    elif maker == "xgboost":
        model.save_model(path)
    else:
        model.booster_.save_model(path)
        rows.columns = [name.replace(" ", "_") for name in rows.columns]  # as it writes them
    assert entry_of(str(path), Path()) == {"estimator": str(path)}
    assert maker_of(path) == ("" if form == "joblib" else maker)
    names = ("value",) if kind == "numbers" else tuple(map(str, range(len(np.unique(goal)))))
    task: Task = TabularRegression() if kind == "numbers" else TabularClassification()
    labels = goal[:, None] if kind == "numbers" else goal
    table = {name: rows[name].to_numpy() for name in reversed(rows.columns)}
    out, note = packed(tmp_path, path, task, table, labels, names)
    assert f"in all of {COUNT} rows" in note
    from paredown.artifact.load import load

    with load(out) as artifact:
        own = (
            model.predict(rows.set_axis(["size", "the pay", "rate"], axis=1))
            if kind == "numbers"
            else model.predict_proba(rows.set_axis(["size", "the pay", "rate"], axis=1))
        )
        np.testing.assert_allclose(artifact.answers(table), own.reshape(COUNT, -1), atol=1e-4)


def _booster(maker: str, kind: str) -> Any:
    if maker == "xgboost":
        import xgboost

        return (xgboost.XGBRegressor if kind == "numbers" else xgboost.XGBClassifier)(n_estimators=8, max_depth=3, nthread=1)
    import lightgbm

    how = {"n_estimators": 8, "verbose": -1, "n_jobs": 1}
    return lightgbm.LGBMRegressor(**how) if kind == "numbers" else lightgbm.LGBMClassifier(**how)


@pytest.fixture
def regressor(tmp_path: Path) -> Path:
    joblib.dump(HistGradientBoostingRegressor(max_iter=3).fit(X, VALUE), tmp_path / "m.joblib")
    return tmp_path / "m.joblib"


def test_columns_that_the_data_lack_are_named(tmp_path: Path) -> None:
    joblib.dump(LogisticRegression().fit(pandas.DataFrame({"a": X[:, 0], "b": X[:, 1]}), Y), tmp_path / "m.joblib")
    with pytest.raises(BadData, match="the model was trained on the column 'b', which the data lack; they have a, c"):
        packed(tmp_path, tmp_path / "m.joblib", TabularClassification(), {"a": X[:, 0], "c": X[:, 1]}, (Y == "yes") * 1, ("no", "yes"))


def test_answers_of_another_kind_are_refused(tmp_path: Path, regressor: Path) -> None:
    with pytest.raises(BadModel, match="answers with one number per row"):
        packed(tmp_path / "a", regressor, TabularClassification(), X, (Y == "yes") * 1, ("no", "yes"))
    joblib.dump(LogisticRegression().fit(X, Y), regressor)
    with pytest.raises(BadModel, match=r"is a LogisticRegression, which answers with classes; the task is about numbers"):
        packed(tmp_path / "b", regressor, TabularRegression(), X, VALUE[:, None], ("value",))


def test_files_that_are_no_estimator_are_told_apart(tmp_path: Path) -> None:
    def opened(name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        Estimator().labels(ModelSpec(kind="estimator", value=name), tmp_path)

    with pytest.raises(BadModel, match="does not exist"):
        Estimator().digest(ModelSpec(kind="estimator", value="none.joblib"), tmp_path)
    with pytest.raises(BadModel, match=r"m.bin is neither a pickle \(.pkl"):
        opened("m.bin", b"what")
    with pytest.raises(BadModel, match=r"m.json is neither a pickle"):
        opened("m.json", b'{"a": 1}')
    with pytest.raises(BadModel, match=r"holds a dict, which is no estimator that predicts"):
        opened("d.pkl", pickle.dumps({"model": 1}))
    with pytest.raises(BadModel, match=r"cut.pkl cannot be opened: "):
        opened("cut.pkl", pickle.dumps(LogisticRegression().fit(X, Y))[:200])
    with pytest.raises(BadModel, match=r"(?s)main.pkl cannot be opened: .*put it into a module beside the job"):
        opened("main.pkl", b"c__main__\nGone\n.")
    with pytest.raises(BadModel, match=r"other.pkl was made with no_such_package, which is neither beside the job nor installed"):
        opened("other.pkl", b"cno_such_package.models\nThing\n.")


def test_a_class_beside_the_job_is_found_there(tmp_path: Path, regressor: Path) -> None:
    (tmp_path / "my_steps.py").write_text(
        "from sklearn.ensemble import HistGradientBoostingRegressor\n\n\nclass Mine(HistGradientBoostingRegressor):\n    pass\n"
    )
    with user_code.beside(tmp_path):
        made = importlib.import_module("my_steps").Mine(max_iter=2).fit(X, VALUE)
        joblib.dump(made, tmp_path / "own.joblib")
    del sys.modules["my_steps"]
    with pytest.raises(BadModel, match="its step 'Mine', a Mine, has no converter to ONNX"):
        Estimator().labels(spec(tmp_path / "own.joblib"), tmp_path)


def test_a_job_says_that_a_pickle_is_code_and_takes_it_nowhere_else(tmp_path: Path, regressor: Path) -> None:
    data = {"train": "t.csv", "test": "t.csv", "label": "y"}
    document = {
        "name": "m",
        "model": {"estimator": "m.joblib"},
        "task": "tabular-regression",
        "data": data,
        "metric": "mae",
        "policy": "frugal",
    }
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    assert read_job(document, tmp_path).code == ("model m.joblib",)
    plain = ModelSpec(kind="estimator", value="m.ubj")
    assert replace(read_job(document, tmp_path), model=plain).code == ()
    with pytest.raises(Exception, match=re.escape("which is a pickle; reading it could run any code, so it is not read.")):
        read_job({**document, "model": {"onnx": "m.joblib"}}, tmp_path)
