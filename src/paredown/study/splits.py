"""The job's data, read and cut into splits of which none gives away the answers of another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.job import Job
from paredown.core.rows import Rows
from paredown.ground import registry
from paredown.ingest import number_labels, series, tables
from paredown.ingest.any_source import read_rows
from paredown.kinds.known import kind_named
from paredown.kinds.labels import Labels
from paredown.kinds.one_class import OneClass
from paredown.rows import corpus
from paredown.rows.columns import held, judged
from paredown.rows.masks import refuse_too_many_pixels
from paredown.study.classes import one_set_of_classes, one_set_of_targets, refuse_misfits, refuse_unseen, refuse_untrained, with_targets
from paredown.study.cuts import Cuts, stratified
from paredown.study.leakage import by_chance, equal_rows, parts_of_another, without_leaks

NAMES = ("train", "calibration", "validation", "test", "unlabeled")
_SHARED = ("test", "calibration", "validation")

# Half for test where one source is cut: the test rows alone decide what can be claimed, and they are never spent on anything else.
TEST_SHARE = 0.5
# Of the rows that are not test: a quarter ranks the candidates and fits thresholds, a tenth gives activation ranges, the rest trains. Both
# are capped, because their use saturates: 2000 rows put the standard error of a drop at 4 % flips at sqrt(0.04 / 2000) = 0.45 points, and
# ranges of activations hardly move after a few hundred rows. Digits (1797): test 899, train 584, validation 224, calibration 90.
VALIDATION_SHARE, VALIDATION_MOST = 0.25, 2000
CALIBRATION_SHARE, CALIBRATION_MOST = 0.10, 1000
# Of a large source test gets no more than shows a drop of 0.15 points at 4 % flips, 1.645 x sqrt(0.04 / 50 000); what more rows would show
# is less than anyone limits, and each is answered by every finalist.
TEST_MOST = 50_000
# Splits of the user's own: of more rows than this a sample does, which the seed draws. Of test it shows a drop of 0.08 points at 4 % flips.
_SAMPLES = {
    "test": (200_000, "show a drop of a tenth of a point"),
    "validation": (20_000, "rank the candidates"),
    "calibration": (10_000, "calibrate"),
}
# What a model that arrives trained leaves for validation when the job names none: the rest of test still proves the claim.
VALIDATION_OF_TEST = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The job's rows; no input occurs with its label in two splits, unless rows are equal by chance.

    Args:
        train: What may be trained on; None when the job has none.
        calibration: For ranges and statistics.
        validation: For ranking candidates and fitting thresholds.
        test: For the claim; to be opened once, at the end.
        unlabeled: For distillation; None when the job has none.
        names: The class names in index order, the same in all splits.
        notes: Sentences on what was cut and dropped, for the report.
        digests: Split -> digest over its rows.
        dropped: Split -> rows dropped because test or another split before it has them too.
        equal: Split -> rows that were kept although another split has the same input; empty where such rows are leaks.
    """

    train: Rows | None
    calibration: Rows
    validation: Rows
    test: Rows
    unlabeled: Rows | None
    names: tuple[str, ...]
    notes: tuple[str, ...]
    digests: dict[str, str]
    dropped: dict[str, int]
    equal: dict[str, int]

    @property
    def dropped_duplicates(self) -> int:
        """Rows dropped in all."""
        return sum(self.dropped.values())

    @property
    def counts(self) -> dict[str, int]:
        """Split -> rows, of the splits that exist."""
        return {name: len(rows) for name in NAMES if (rows := getattr(self, name)) is not None}


def load_splits(job: Job, seed: int, trains_baseline: bool, model_labels: Sequence[str] = (), labeled: bool = True) -> Splits:
    """Read all sources of a job and cut what is missing.

    One source `all` is cut into test and the rest, the rest into train, calibration and validation. With splits of their own: where the
    job trains the baseline, missing calibration and validation are cut from train before that. A model that arrives trained has seen
    train; then a missing validation is a stratified third of test, by row digest, and calibration comes from train, else from unlabeled,
    else from validation. `job.data.shares` changes the sizes: shares of the rows of the source that is cut.

    Cuts are stratified by label and depend on the rows and the seed, not on the order of the rows; the third of test does not depend on
    the seed either. A row that occurs with its label in two splits stays in the first of test, validation, calibration, train, unlabeled;
    equal rows within one split stay. In a table whose rows are equal by chance all stay, and each copy has its own place in a cut
    (`leakage`, decision 0013). Rows of one group of `job.data.paired_by` stay together where they are judged, and with `job.data.time` what
    is later is judged and what was before is trained on (`cuts`, decision 0021). Documents that queries are asked among are in all splits
    (`rows.corpus`): queries are cut, validation from those of train.

    Args:
        job: Its `data` and `folder` are used, and its `task` to check the rows.
        seed: Root of the study's random streams.
        trains_baseline: True when the job itself trains the model.
        model_labels: The class names that the model itself gives, in its order; the labels of the data have to be among them.
        labeled: False where no row needs a label.

    Returns:
        The splits, with notes on what was done.

    Raises:
        BadData: A source cannot be read; there is no test, or no train to train on; a split is or becomes empty; splits differ in columns,
            shape, kind of number or labels; the model does not know a label; the task refuses the rows; shares do not add up.
    """
    shares = _checked_shares(job)
    task = registry.get("tasks", job.task)()
    kind, targets = kind_named(task.kind), None
    plan = series.Plan.of(job.data.columns) if task.raw == "series" else None
    columns = number_labels.reading(job.data.columns, kind) if plan is None else plan.reading(job.data.columns)
    parts, notes = _read_all(job, columns, job.data.labels if kind.name == OneClass.name else (), labeled and plan is None), list[str]()
    if plan is not None:
        parts, names = series.as_windows(_alike(parts), plan, job.data.sources, labeled, notes), plan.names
        if not plan.time and len(parts) > 1:
            listed = ", ".join(f"{count} of {len(parts[split])} of {split}" for split, count in equal_rows(parts).items())
            notes.append(f"Windows that another split has too: {listed}. Without `time:` whether the files share steps cannot be seen.")
    elif not labeled:
        names = tuple(job.data.labels) or tuple(model_labels)
        if not names:
            raise BadData(
                f"nothing says how many {kind.named} the model answers: neither it nor a label of the data.\n"
                "  Name them in the model's order: `data: {labels: [...]}`."
            )
        parts = {split: replace(rows, labels=None, names=names) for split, rows in _alike(parts).items()}
    elif kind.name == OneClass.name:
        parts, names = one_set_of_classes(_alike(parts), job.data.labels, model_labels)
    else:
        known = tuple(job.data.labels) or tuple(model_labels)
        column = " ".join(tables.listed(job.data.columns, "label")) or "label"
        parts, targets, names = one_set_of_targets(_alike(parts), kind, column, known, trains_baseline)
    for split, rows in parts.items():
        try:
            task.check(rows)
        except BadData as error:
            raise BadData(f"{job.data.sources[split]} ({split}): {error}") from error
    shared = None if targets is None else kind.shared(targets)
    if shared is not None:
        parts, corpora = corpus.apart(parts, shared)
    chance = task.raw == "table" and by_chance([*parts.values()])
    if chance:
        notes += parts_of_another(parts, job.data.sources)
    judging, training = Cuts.of(job.data, parts, chance, task.recalls)
    if plan is not None:
        parts = plan.cut(parts, job.data.columns, partial(_of_time, shares), trains_baseline, notes)
    elif "all" in parts:
        parts = _cut_all(parts, shares, seed, training)
        if "test" not in shares and len(parts["test"]) == TEST_MOST:
            notes.append(
                f"Test has {TEST_MOST} of the rows; more would show no smaller drop that counts. `shares: {{test: ...}}` asks for more."
            )
        if not trains_baseline:
            notes.append("The model arrived trained and one source was cut into splits: it may have seen rows of validation and test.")
    else:
        cuts_train = trains_baseline or (shared is not None and "train" in parts)
        parts = _cut_missing(parts, shares, seed, cuts_train, judging, training, notes)
    parts = _sampled(parts, shares, seed, judging, notes)
    refuse_untrained(parts, names, "", kind)
    dropped, equal = dict.fromkeys(parts, 0), dict[str, int]()
    if chance:
        equal = equal_rows(parts)
        listed = ", ".join(f"{count} of {len(parts[split])} ({count / len(parts[split]):.0%}) of {split}" for split, count in equal.items())
        notes.append(f"Rows that another split has too: {listed}. They are kept: in a table of few values people share a row by chance.")
    elif plan is None:
        parts, dropped = without_leaks(parts)
        refuse_untrained(parts, names, " once the rows that validation or test has too are dropped", kind)
    if shared is not None:
        parts = corpus.together(parts, corpora, targets, f"documents/{seed}", notes, job.data.columns.get("documents"))
    if targets is not None:
        targets = task.sized(targets, next(iter(parts.values())), job.data.preprocess)
        parts = {split: with_targets(rows, targets, names) for split, rows in parts.items()}
        refuse_misfits(task, parts)
        refuse_too_many_pixels(parts)
    elif kind.name != OneClass.name:
        parts = {split: replace(rows, names=names) for split, rows in parts.items()}
    if shared is not None and "train" in parts:  # no row of it alone has an answer to learn
        parts["train"] = replace(parts["train"], labels=None)
    if kind.name == Labels.name and labeled:
        refuse_unseen(parts, names)
    parts = {split: judged(held(rows)) if split in ("test", "validation") else held(rows) for split, rows in parts.items()}
    if total := sum(dropped.values()):
        listed = ", ".join(f"{count} from {split}" for split, count in dropped.items() if count)
        notes.append(f"{total} rows were dropped because another split has the same input: {listed}.")
    return Splits(
        train=parts.get("train"),
        calibration=parts["calibration"],
        validation=parts["validation"],
        test=parts["test"],
        unlabeled=parts.get("unlabeled"),
        names=names,
        notes=tuple(notes),
        digests={split: parts[split].digest() for split in NAMES if split in parts},
        dropped=dropped,
        equal=equal,
    )


def _checked_shares(job: Job) -> Mapping[str, float]:
    shares = job.data.shares
    for name, share in shares.items():
        if name not in _SHARED:
            raise BadData(f"shares: {name!r} cannot have one.\n  Give shares to {', '.join(_SHARED)}; train is what they leave.")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
            raise BadData(f"shares: {name} is {share!r}.\n  Give a share above 0 and below 1.")
    return shares


def _read_all(job: Job, entries: Mapping[str, Any], labels: Sequence[str], labeled: bool) -> dict[str, Rows]:
    """Every source; the first one read decides what is a number and what is a word, and how many columns sparse rows have."""
    sources = job.data.sources
    strange = next((name for name in sources if name not in ("all", *NAMES)), None)
    if strange is not None:
        raise BadData(f"data: there is no split {strange!r}.\n  Splits are {', '.join(NAMES)}, or all for one source to be cut.")
    if "all" in sources and (both := [name for name in sources if name in NAMES[:4]]):
        raise BadData(f"data: all stands beside {', '.join(both)}.\n  Give one source to be cut, or the splits.")
    if "all" not in sources and "test" not in sources:
        raise BadData(f"data: there is no test, only {', '.join(sources) or 'nothing'}.\n  Add `test:`, or give one source as `all:`.")
    columns, parts = dict(entries) | {"preprocess": job.data.preprocess}, dict[str, Rows]()
    columns |= {} if labeled or "label" in columns else {"label": None}
    for split in ("all", *NAMES):
        if split in sources:
            wanted = columns | {"label": None, "groups": []} if split == "unlabeled" else columns
            rows = read_rows(sources[split], job.folder, wanted, labels)
            if split != "unlabeled" and rows.labels is None and labeled:
                raise BadData(
                    f"{sources[split]} ({split}) has no labels.\n  Name them with `label:`; rows without labels go to `unlabeled:`."
                )
            if not parts and isinstance(rows.inputs, Mapping):
                words = [name for name, column in rows.inputs.items() if column.dtype.kind not in "buif"]
                numbers = [name for name in rows.inputs if name not in words]
                columns |= {"features": list(rows.inputs), "drop": [], "categorical": words, "numeric": numbers}
            elif not parts and rows.inputs.ndim == 2:
                columns["width"] = rows.inputs.shape[1]
            parts[split] = rows
    return parts


def _alike(parts: dict[str, Rows]) -> dict[str, Rows]:
    """All splits with the columns of the first one, in its order; arrays of one shape and one kind of number."""
    first = next(iter(parts))
    model, out = parts[first].inputs, dict[str, Rows]()
    for split, rows in parts.items():
        if _form(rows.inputs) != _form(model):
            raise BadData(f"{split} has {_form(rows.inputs)}; {first} has {_form(model)}.\n  All splits need the same form of input.")
        if isinstance(model, Mapping):
            for name, column in model.items():
                if name not in rows.inputs:
                    raise BadData(f"{split} has no column {name!r}; {first} has it.\n  Add the column, or drop it everywhere.")
                if _kind(rows.inputs[name]) != _kind(column):
                    raise BadData(
                        f"{split} has {_kind(rows.inputs[name])} in the column {name!r}; {first} has {_kind(column)}.\n"
                        "  Make them the same, or list the column in `categorical:`."
                    )
                if (mine := rows.inputs[name].shape[1:]) != column.shape[1:]:
                    raise BadData(
                        f"{split} has rows of shape {mine} in the array {name!r}; {first} has {column.shape[1:]}.\n"
                        "  All rows need one shape: rows of other lengths or sizes are jobs of their own, or padded first."
                    )
            rows = replace(rows, inputs={name: rows.inputs[name] for name in model})
        out[split] = rows
    return out


def _form(inputs: Any) -> str:
    if isinstance(inputs, Mapping):
        return "columns"
    if inputs.dtype.kind in "OU":
        return "pairs of texts" if inputs.ndim == 2 else "texts"
    return f"rows of shape {inputs.shape[1:]} in {inputs.dtype}"


def _kind(column: np.ndarray) -> str:
    return "numbers" if column.dtype.kind in "buif" else "words"


def _sizes(rows: int, shares: Mapping[str, float], wanted: Sequence[str]) -> list[int]:
    """Rows for calibration and validation, in the order of `wanted`: as the shares say, else the capped defaults."""
    usual = {"calibration": (CALIBRATION_SHARE, CALIBRATION_MOST), "validation": (VALIDATION_SHARE, VALIDATION_MOST)}
    return [
        max(1, round(shares[name] * rows)) if name in shares else min(max(1, round(usual[name][0] * rows)), usual[name][1])
        for name in wanted
    ]


def _cut_all(parts: dict[str, Rows], shares: Mapping[str, float], seed: int, training: Cuts) -> dict[str, Rows]:
    """Test first, then train, so that a class of one row is trained on; then calibration and validation. Shares are of all rows.

    By time test is what came last, validation what came before it, and calibration is drawn from the rest.
    """
    rows = parts.pop("all")
    test = math.floor(shares["test"] * len(rows) + 0.5) if "test" in shares else min(math.floor(TEST_SHARE * len(rows) + 0.5), TEST_MOST)
    rest = max(1, len(rows) - test)
    calibration, validation = _sizes(
        rest, {name: share * len(rows) / rest for name, share in shares.items()}, ("calibration", "validation")
    )
    sizes = {"test": test, "train": len(rows) - test - calibration - validation, "calibration": calibration, "validation": validation}
    _check_sizes(sizes, len(rows), "all")
    salt = f"split/{seed}"
    if not training.time:
        return parts | dict(zip(sizes, training.parted(rows, list(sizes.values())[:-1], salt)))
    older, last = training.newest(rows, test)
    older, later = training.newest(older, validation)
    kept, some = stratified(older, [len(older) - calibration], salt, training.chance)
    return parts | {"test": last, "train": kept, "calibration": some, "validation": later}


def _of_time(shares: Mapping[str, float], split: str, count: int, left: int, arrived: bool) -> int:
    """Windows of a split that is cut off the newest of those left of `count`; of a trained model's test validation gets the older ones."""
    if split == "test" and arrived:
        return left - round(shares.get("validation", VALIDATION_OF_TEST) * left)
    if split == "test":
        return math.floor(shares["test"] * count + 0.5) if "test" in shares else min(math.floor(TEST_SHARE * count + 0.5), TEST_MOST)
    return _sizes(left, {name: share * count / max(1, left) for name, share in shares.items()}, [split])[0]


def _check_sizes(sizes: Mapping[str, int], rows: int, source: str) -> None:
    if min(sizes.values()) < 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise BadData(
            f"{source} has {rows} rows, which would be cut into {listed}.\n  Each split needs a row; give more rows or other shares."
        )


def _cut_missing(
    parts: dict[str, Rows], shares: Mapping[str, float], seed: int, trains: bool, judging: Cuts, training: Cuts, notes: list[str]
) -> dict[str, Rows]:
    """Calibration and validation where the job names none."""
    parts = dict(parts)
    if trains and "train" not in parts:
        raise BadData("data: there is no train, and the job trains the model.\n  Add `train:`, or give one source as `all:`.")
    if not trains and "validation" not in parts:
        test = parts["test"]
        size = round(shares.get("validation", VALIDATION_OF_TEST) * len(test))
        _check_sizes({"test": len(test) - size, "validation": size}, len(test), "test")
        parts["test"], parts["validation"] = judging.parted(test, [len(test) - size], "third of test")
        became = f"{len(parts['validation'])} of the {len(test)} rows of test became validation."
        notes.append(f"The model arrived trained and the job names no validation: {became}")
    wanted = [name for name in ("calibration", "validation") if name not in parts]
    if wanted:
        source = next(name for name in ("train", "unlabeled", "validation") if name in parts)
        rows = parts[source]
        sizes = dict(zip(wanted, _sizes(len(rows), shares, wanted)))
        total = len(rows)
        _check_sizes({source: total - sum(sizes.values()), **sizes}, total, source)
        salt = f"split/{seed}"
        if training.time and source == "train" and "validation" in wanted:
            rows, parts["validation"] = training.newest(rows, sizes.pop("validation"))
        if sizes:
            parts[source], *cut = training.parted(rows, [len(rows) - sum(sizes.values()), *list(sizes.values())[:-1]], salt)
            parts |= dict(zip(sizes, cut))
        else:
            parts[source] = rows
        listed = " and ".join(f"{len(parts[name])} for {name}" for name in wanted)
        notes.append(f"Of the {total} rows of {source} these were set aside: {listed}.")
    return parts


def _sampled(parts: dict[str, Rows], shares: Mapping[str, float], seed: int, judging: Cuts, notes: list[str]) -> dict[str, Rows]:
    """Samples of the splits that judge and calibrate, where they are larger than that needs and no share asks for more."""
    out = dict(parts)
    for split, (most, use) in _SAMPLES.items():
        if len(parts[split]) > most and split not in shares:
            out[split] = judging.parted(parts[split], [most], f"sample/{seed}")[0]
            some = f"a sample of {len(out[split])} is used, drawn by the seed: it is enough to {use}."
            notes.append(f"Of the {len(parts[split])} rows of {split} {some}")
    return out
