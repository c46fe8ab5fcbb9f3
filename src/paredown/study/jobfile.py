"""Job files: YAML to a job, and every problem at once.

One file: all parts of a job are read by one reader, which tells all problems of all of them together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from paredown.core.errors import BadDocument, Problem
from paredown.core.job import DataSpec, Deploy, Job, ModelSpec, SearchSpec
from paredown.core.policy import Policy
from paredown.core.unsupported import SEVERAL, refusal, several_inputs
from paredown.ground import amounts, registry, user_code
from paredown.ground.documents import Document, Place, check, read, refuse, shown
from paredown.ground.files import PICKLES
from paredown.ingest.sources import nearest
from paredown.policy.parse import load
from paredown.study.deployfile import Words, known, read_deploy

LATER_MODELS = ("sklearn", "predictions")
OPTIONS = {
    "builtin": ("train", "hidden", "widths"),
    "python": ("weights", "train", "arguments", "tokenizer", "outputs"),
    "onnx": ("tokenizer", "output", "constants"),
    "huggingface": ("finetune", "revision", "tokenizer"),
    "estimator": (),
    "keras": (),
    "tensorflow": (),
    "tflite": (),
}
FILES = ("onnx", "estimator", "keras", "tensorflow", "tflite")
UPSTREAM = ("training_energy", "source")
"""Allowed beside every kind of model; a declaration for the report, which changes nothing that is measured."""
PICKLED = (
    "is a pickle; reading it could run any code, so it is not read.",
    "A fitted estimator of scikit-learn's kind that you saved yourself goes by `model: {estimator: ...}`, which runs it; give others as "
    ".onnx, or a torch.nn.Module to `paredown.shrink` where it was made.",
)
LONGEST_NAME = 200
"""Bytes of a job's name: file systems take 255 for one, and ours stand beside it."""
SPLITS = ("train", "calibration", "validation", "test", "unlabeled")
_FUNCTION = re.compile(r"(python:)?[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _File(_Strict):
    name: str | None = None
    model: Any = None
    task: str | None = None
    data: Any = None
    metric: str | None = None
    deploy: Any = None
    search: Any = None
    policy: Any = None


class _Data(_Strict):
    train: str | None = None
    calibration: str | None = None
    validation: str | None = None
    test: str | None = None
    unlabeled: str | None = None
    all: str | None = None
    builtin: str | None = None
    python: str | None = None
    shares: Any = None
    labels: Words = []
    preprocess: dict[str, Any] = {}
    label: Words | None = None
    label_suffix: str | None = None
    text: Words = []
    inputs: Words | None = None
    features: Words = []
    groups: Words = []
    paired_by: str | None = None
    drop: Words = []
    documents: int | None = Field(default=None, ge=1)
    names: Words = []
    numeric: Words = []
    categorical: Words = []
    missing: Words = []
    separator: str | None = None
    skip: int = Field(default=0, ge=0)
    comment: str | None = None
    zero_based: bool = False
    time: Words = []
    series: str | None = None
    window: int | None = Field(default=None, ge=1)
    horizon: Any = None
    stride: int = Field(default=1, ge=1)
    begins: dict[str, Any] = {}
    ignore: int | None = None


class _Search(_Strict):
    strategy: str = SearchSpec.strategy
    budget: Any = None
    exclude: Words = []
    seed: int = Field(default=SearchSpec.seed, ge=0)
    trial: Any = None


class _Trial(_Strict):
    time: Any = None
    memory: Any = None


_OF_SERIES = ("series", "window", "horizon", "stride", "begins")
_NUMBERS = ("-regression", "-forecasting", "-multilabel")  # ends of tasks whose labels may be several columns
_APART = (*SPLITS, "all", "builtin", "python", "shares", "labels", "preprocess", "paired_by")
_COLUMNS = tuple(name for name in _Data.model_fields if name not in _APART)


def read_job(source: str | Path | Mapping[str, Any], folder: Path | None = None) -> Job:
    """Read a job and its policy.

    Args:
        source: The job file, or what would stand in it.
        folder: Where relative paths start; the job file's folder, or the current one, when None.

    Raises:
        BadDocument: All problems of the job and of its policy, each with its line.
    """
    if isinstance(source, Mapping):
        document, folder = Document(name="job", data=dict(source)), folder or Path()
    else:
        document, folder = read(Path(source)), folder or Path(source).parent
    return _Reader(document, folder).job(fallback="job" if isinstance(source, Mapping) else Path(source).stem)


class _Reader:
    """Reads one job; collects problems until the end."""

    def __init__(self, document: Document, folder: Path) -> None:
        self.document, self.folder = document, folder
        self.problems: list[Problem] = []

    def note(self, place: Place, found: str, do: str) -> None:
        """Note a problem at a place."""
        self.problems.append(self.document.problem(place, found, do))

    def job(self, fallback: str) -> Job:
        """The whole job; `fallback` is its name when the file gives none. What a method makes of a faulty part is never used."""
        file = check(self.document, _File, self.problems)
        if file is None:
            raise BadDocument(self.problems)
        for key in ("model", "task", "data", "metric", "policy"):
            if self.document.data.get(key) is None:
                self.note((), f"has no `{key}`.", f"Add `{key}: ...`; `paredown init` writes a whole job.")
        name, task, metric = file.name or fallback, file.task or "", file.metric or ""
        if not re.fullmatch(r"\w[\w. -]*", name) or len(name.encode()) > LONGEST_NAME:
            allowed = f"Use letters, digits, `.`, `-` and `_`, up to {LONGEST_NAME} bytes."
            self.note(("name",), f"is {name!r:.80}; it names the study's folder.", allowed)
        self.known("task", ("task",), task)
        if not _FUNCTION.fullmatch(metric):
            self.known("metric", ("metric",), metric.partition("@")[0])
        else:
            self.refuse_standard(("metric",), metric.removeprefix("python:"))
        job = Job(
            name=name,
            model=self.model(),
            task=task,
            data=self.data(),
            metric=metric,
            policy=self.policy(),
            deploy=self.deploy(),
            search=self.search(),
            folder=self.folder,
            document=self.document.data,
        )
        refuse(self.problems)
        return job

    def known(self, kind: str, place: Place, name: str) -> None:
        """Note the name of a unit that does not exist; an empty one is noted elsewhere."""
        known(self.document, self.problems, kind, place, name)

    def exists(self, place: Place, path: str) -> None:
        """Note a file that is not there."""
        whole = self.folder / path
        if not os.path.exists(whole):
            near = nearest(whole.name, sorted(item.name for item in whole.parent.iterdir()) if whole.parent.is_dir() else [])
            self.note(place, f"is {path!r}; there is no such file.{near}", "Paths start at the folder of the job file.")

    def part(self, key: str, model: type[Any]) -> Any:
        """A section checked against its model; None when the job does not have it, or nothing can be made of it."""
        return None if self.document.data.get(key) is None else check(self.document.at(key), model, self.problems)

    def model(self) -> ModelSpec:
        """`model: {builtin: name, train: {...}}`, and the like."""
        entry, nothing = self.document.data.get("model"), ModelSpec(kind="", value="")
        if entry is None:
            return nothing
        ready = registry.names("models")
        if not isinstance(entry, dict):
            do = f"Write `model: {{builtin: digits-cnn}}`, or another of {', '.join(ready)}."
            self.note(("model",), f"is {shown(entry)}; it has to say where the model comes from.", do)
            return nothing
        kinds = [key for key in entry if key in ready or key in LATER_MODELS]
        if len(kinds) != 1:
            found = f"names {' and '.join(kinds)}." if kinds else f"has no source, only {', '.join(entry) or 'nothing'}."
            self.note(("model",), found, f"Name one of {', '.join(ready)}.")
            return nothing
        (kind,) = kinds
        if str(entry[kind]).lower().endswith(PICKLES) and kind != "estimator":
            self.note(("model", kind), f"is {entry[kind]!r}, which {PICKLED[0]}", PICKLED[1])
            return nothing
        if kind in LATER_MODELS and kind not in ready:
            do = "Write `estimator:` in its place." if kind == "sklearn" else f"Name one of {', '.join(ready)}."
            self.note(("model", kind), f"is for a {kind} model, which this version cannot read.", do)
            return nothing
        options = {key: value for key, value in entry.items() if key not in (kind, *UPSTREAM)}
        self.options(kind, options)
        training_j = self.upstream(entry)
        value = entry[kind]
        if not isinstance(value, str):
            self.note(("model", kind), f"is {shown(value)}; it has to be a text.", "Write a name, `pkg.mod:function` or a path.")
            return nothing
        if kind in FILES:
            self.exists(("model", kind), value)
        if kind == "python" and not _FUNCTION.fullmatch(value):
            self.note(("model", kind), f"is {value!r}.", "Write `pkg.mod:function`, a function that returns the module.")
        elif kind == "python":
            self.refuse_standard(("model", kind), value)
        return ModelSpec(kind=kind, value=value, options=options, training_j=training_j, training_source=str(entry.get("source", "")))

    def refuse_standard(self, place: Place, value: str) -> None:
        """Note a function of Python's own library: it would be called, and no model, rows or metric could come of it."""
        if user_code.standard(value, self.folder):
            self.note(place, f"is {value}, which {user_code.PYTHONS_OWN[0]}", user_code.PYTHONS_OWN[1])

    def upstream(self, entry: Mapping[str, Any]) -> float | None:
        """Energy of a training that was done elsewhere, with who says so."""
        given = [key for key in UPSTREAM if entry.get(key) is not None]
        if len(given) == 1:
            other = next(key for key in UPSTREAM if key not in given)
            self.note(("model", given[0]), f"stands without `{other}`.", 'Write `training_energy: 500 kWh, source: "model card, 2024"`.')
        if "source" in given and not isinstance(entry["source"], str):
            self.note(("model", "source"), f"is {shown(entry['source'])}; it has to be a text.", "Name who says so, with the year.")
        if "training_energy" not in given:
            return None
        found: float | None = self.amount(("model", "training_energy"), amounts.joules, entry["training_energy"])
        return found

    def options(self, kind: str, options: Mapping[str, Any]) -> None:
        """The entries beside a model's source; another package's kind checks its own."""
        for key, value in options.items():
            place: Place = ("model", key)
            if kind in OPTIONS and key not in OPTIONS[kind]:
                allowed = ", ".join(OPTIONS[kind]) or "no further entries"
                self.note(place, f"does not go with {kind}.", f"Allowed beside `{kind}`: {allowed}.")
            elif key in ("train", "arguments", "finetune") and not isinstance(value, dict):
                self.note(place, f"is {shown(value)}; it has to be a mapping.", f"Write `{key}: {{...}}`.")
            elif key == "output" and not isinstance(value, str):
                self.note(
                    place, f"is {shown(value)}; it has to be a name.", "Name the output of the graph that gives one number per class."
                )
            elif key == "constants" and not isinstance(value, dict):
                self.note(place, f"is {shown(value)}; it has to be a mapping.", "Write `constants: {input: number}`.")
            elif key in ("weights", "tokenizer"):
                if isinstance(value, str):
                    self.exists(place, value)
                else:
                    what = "a safetensors file or a state dict" if key == "weights" else "a tokenizer.json or the folder of a tokenizer"
                    self.note(place, f"is {shown(value)}; it has to be a path.", f"Name {what}.")

    def data(self) -> DataSpec:
        """Sources by split, and how to read them."""
        data = self.part("data", _Data)
        if data is None:
            return DataSpec(sources={})
        sources = {split: getattr(data, split) for split in (*SPLITS, "all") if getattr(data, split) is not None}
        for split, source in sources.items():
            before = source.rpartition(":")[0]
            if source.startswith("python:"):
                self.refuse_standard(("data", split), source.removeprefix("python:"))
            if not source.startswith("builtin:") and not _FUNCTION.fullmatch(source) and not (before and (self.folder / before).is_dir()):
                self.exists(("data", split), source)
        if len(data.text) > 2 or len(set(data.text)) < len(data.text):
            self.note(("data", "text"), f"is {', '.join(data.text)}.", "Name one column, or two different ones for pairs.")
        task = str(self.document.data.get("task"))
        for key, said in (("label", refusal(SEVERAL, "")), ("inputs", several_inputs(""))):
            if len(named := getattr(data, key) or []) > 1 and not (key == "label" and task.endswith(_NUMBERS)):
                found, do = said.split("\n  ")
                self.note(("data", key), f"names {', '.join(named)}{found}", do)
        for key in () if task == "series-forecasting" else sorted(data.model_fields_set.intersection(_OF_SERIES)):
            self.note(("data", key), f"does not go with {task}.", "Take it out, or write `task: series-forecasting`.")
        if data.text and data.features:
            self.note(("data", "text"), "stands beside `features`.", "A model sees texts or a table; take one out.")
        whole = [key for key in ("all", "builtin", "python") if getattr(data, key) is not None]
        if data.builtin is not None:
            sources["all"] = f"builtin:{data.builtin}"
        if data.python is not None:
            self.refuse_standard(("data", "python"), data.python)
            sources["all"] = f"python:{data.python}"
        beside = [split for split in SPLITS if split in sources and split != "unlabeled"]
        if len(whole) > 1 or (whole and beside):
            self.note(("data",), f"names {' and '.join([*whole, *beside])}.", "One source is cut into splits; or give each split a source.")
        elif not whole and self.document.data["data"].get("test") is None:
            self.note(("data",), "has no `test`.", "Add `test: file`, or one source as `all: file`.")
        columns = {key: getattr(data, key) for key in _COLUMNS if key in data.model_fields_set}
        for key in ("label", "inputs"):
            if key in columns and len(columns[key] or []) < 2:
                columns[key] = next(iter(columns[key] or []), None)
        time = [] if task.startswith("series-") else columns.pop("time", [])
        if len(time) > 1:
            self.note(("data", "time"), f"names {', '.join(time)}; rows are cut by one column.", "Name the one that says when.")
        if kept := [*filter(None, [data.paired_by]), *time]:
            columns |= {"groups": [*dict.fromkeys([*data.groups, *kept])], "paired_by": data.paired_by}
            columns["drop"] = [*data.drop, *({*time} - {*data.features})]  # when a row came is no input unless it is named as one
        read: dict[str, Any] = {"labels": tuple(data.labels), "preprocess": data.preprocess, "shares": self.shares(data.shares)}
        return DataSpec(sources=sources, columns=columns, paired_by=data.paired_by or "", time="".join(time), **read)

    def shares(self, value: Any) -> dict[str, float]:
        """`{test: 0.5}` or `{test: 50 %}`."""
        if value is None:
            return {}
        place: Place = ("data", "shares")
        if not isinstance(value, dict):
            self.note(place, f"is {shown(value)}; it has to be a mapping.", "Write `shares: {test: 0.5}`.")
            return {}
        found = {}
        for split, text in value.items():
            if split not in ("calibration", "validation", "test"):
                self.note((*place, split), "is no split with a share.", "Allowed: calibration, validation, test; train is the rest.")
                continue
            share = self.amount((*place, split), amounts.amount, text, "")
            if share is not None and not 0 < share < 1:
                self.note((*place, split), f"is {shown(text)}.", "Write a share above 0 and below 1, as `0.5` or `50 %`.")
            elif share is not None:
                found[split] = share
        if sum(found.values()) >= 1:
            self.note(place, f"add up to {sum(found.values()):g}.", "Leave something for train.")
        return found

    def amount(self, place: Place, parse: Any, *args: Any) -> Any:
        """What a parser of amounts makes of a text; None after noting why it cannot."""
        try:
            return parse(*args)
        except amounts.BadAmount as error:
            self.problems.append(self.document.amiss(place, error))
            return None

    def deploy(self) -> Deploy:
        """How the model will be used."""
        return Deploy() if self.document.data.get("deploy") is None else read_deploy(self.document.at("deploy"), self.folder, self.problems)

    def inner(self, section: str, key: str, model: type[Any]) -> dict[str, Any]:
        """A mapping inside a section, with only the entries that the job gives."""
        if self.document.data[section].get(key) is None:
            return {}
        found = check(self.document.at(section, key), model, self.problems)
        return {} if found is None else {name: getattr(found, name) for name in found.model_fields_set}

    def search(self) -> SearchSpec:
        """How the search may spend."""
        search = self.part("search", _Search)
        if search is None:
            return SearchSpec()
        if search.strategy == "pare":
            self.note(("search", "strategy"), "is pare, which this version does not have.", "Write `strategy: ladder`.")
        elif search.strategy != SearchSpec.strategy:
            self.note(("search", "strategy"), f"is {search.strategy!r}.", "Write `strategy: ladder`.")
        for position, name in enumerate(search.exclude):
            self.known("technique", ("search", "exclude", position), name)
        seconds, joules = self.budget(search.budget)
        trial = self.inner("search", "trial", _Trial)
        limits = {
            "trial_s": self.amount(("search", "trial", "time"), amounts.seconds, trial["time"]) if "time" in trial else None,
            "trial_b": self.amount(("search", "trial", "memory"), amounts.bytes_of, trial["memory"]) if "memory" in trial else None,
        }
        given = {key: value for key, value in limits.items() if value is not None}
        return SearchSpec(
            strategy=search.strategy, budget_s=seconds, budget_j=joules, exclude=tuple(search.exclude), seed=search.seed, **given
        )

    def budget(self, value: Any) -> tuple[float | None, float | None]:
        """`20 min`, `300 kJ`, or both in a list: seconds and joules."""
        found: dict[str, float] = {}
        items = value if isinstance(value, list) else [] if value is None else [value]
        for position, text in enumerate(items):
            place: Place = ("search", "budget", position) if isinstance(value, list) else ("search", "budget")
            for unit in ("s", "J"):
                try:
                    spend = amounts.amount(text, unit)
                except amounts.BadAmount:
                    continue
                if unit in found:
                    self.note(place, f"is {text!r}, a second limit of its kind.", "Give one time and one energy at most.")
                found[unit] = spend
                break
            else:
                self.note(place, f"is {shown(text)}; it has to be a time or an energy.", "Write `20 min`, `300 kJ`, or `[2 h, 300 kJ]`.")
        return found.get("s"), found.get("J")

    def policy(self) -> Policy:
        """A built-in name, a path, or the policy itself."""
        value, place, nothing = self.document.data.get("policy"), ("policy",), Policy(name="")
        if value is None:
            return nothing
        if not isinstance(value, str | dict):
            self.note(place, f"is {shown(value)}.", "Write a built-in name, a path or a mapping.")
            return nothing
        try:
            return load(value if isinstance(value, str) else self.document.at("policy"), self.folder, self.document.where(place))
        except BadDocument as error:
            self.problems += error.problems
            return nothing
