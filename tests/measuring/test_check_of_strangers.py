"""`check` of a study that somebody else has written: its ledger, lock and answers are looked at before they are believed."""

from __future__ import annotations

import copy
import json
import random
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hostile import KINDS, NAMES, NUMBERS, TEXTS, places
from paredown.core.errors import Damaged, ParedownError
from paredown.measuring import check as checks
from tiny_study import TinyStudy, rebind

WAIVER = {"rule": "quality", "until": "2030-01-01", "reason": "x", "by": "y"}


@pytest.fixture
def study(tiny_study: TinyStudy, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_study.folder, tmp_path / "study"))


def check(study: Path) -> Any:
    """Of a study whose evidence binds it as it stands: whoever writes a study can write that too."""
    rebind(study)
    return checks.check(study)


def changed(data: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The same data with another value at a place."""
    whole = copy.deepcopy(data)
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return whole


def recorded(study: Path, value: Any = None) -> Any:
    """The policy in the ledger; written anew where one is given."""
    with sqlite3.connect(study / "ledger.sqlite") as file:
        if value is not None:
            file.execute("UPDATE records SET value = ? WHERE kind = 'policy'", (json.dumps(value),))
        (text,) = file.execute("SELECT value FROM records WHERE kind = 'policy'").fetchone()
    file.close()
    return json.loads(text)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("policy",), [], "is \\[\\]|list"),
        (("policy", "rules", 0, "kind"), "most", "rules\\[0\\]\\.kind 'most'; it has to be drop or max or min"),
        (("policy", "rules", 0, "limit"), None, "the rule quality of kind drop has the limit None"),
        (("policy", "rules", 0, "limit", "value"), "5", "that or null"),
        (("policy", "rules", 0, "quantity"), "os:system", "no quantity 'os:system'"),
        (("policy", "rules", 0, "factory"), "os:system", "unexpected keyword"),
        (("policy", "confidence"), 2, "confidence 2; it has to be a number"),
        (("policy", "waivers"), [WAIVER | {"until": "never"}], "isoformat"),
        (("name",), {}, "name {}; it has to be a text"),
    ],
)
def test_a_record_that_holds_no_policy_is_damage(study: Path, place: tuple[Any, ...], value: Any, said: str) -> None:
    recorded(study, changed(recorded(study), place, value))
    with pytest.raises(Damaged, match=rf"the ledger .*ledger\.sqlite is damaged: record \d+ holds no policy \(.*({said})"):
        check(study)


def test_any_value_anywhere_in_a_recorded_policy_or_a_result_is_judged_or_refused_in_words(study: Path) -> None:
    policy, result = recorded(study), json.loads((study / "result.json").read_text())
    policy["policy"]["waivers"] = [WAIVER]
    draw = random.Random(0)
    for number in range(60):
        whole = policy if number % 2 else result
        one = changed(whole, draw.choice([place for place in places(whole) if place]), draw.choice((*KINDS, *NUMBERS, *NAMES, *TEXTS)))
        recorded(study, one if number % 2 else policy)
        with suppress(UnicodeEncodeError):
            (study / "result.json").write_text(json.dumps(result if number % 2 else one))
        with suppress(ParedownError):
            check(study)


HUGE = {"descr": "<f4", "fortran_order": False, "shape": (2**60, 3)}


@pytest.mark.parametrize("kind", ["huge", "objects", "other", "narrow", "infinite", "empty"])
def test_answers_that_cannot_be_are_damage(study: Path, kind: str) -> None:
    for file in (study / "cache" / "data").glob("outputs-*-test.npy"):
        sound = np.load(file)
        if kind == "huge":
            with file.open("wb") as out:
                np.lib.format.write_array_header_1_0(out, HUGE)
        elif kind == "empty":
            file.write_bytes(b"")
        else:
            made = {"objects": sound.astype(object), "other": sound[1:], "narrow": sound[:, :1], "infinite": sound * np.inf}
            np.save(file, made[kind], allow_pickle=True)
    with pytest.raises(Damaged, match=r"(?s)the answers in .*outputs-.*-test\.npy cannot be read: .*\.\n  Delete it"):
        check(study)


def test_a_lock_that_lacks_what_a_run_wrote_is_damage(study: Path) -> None:
    lock = study / "job.lock.yaml"
    lock.write_text(lock.read_text().replace("  seed:", "  sead:"))
    with pytest.raises(Damaged, match=r"job\.lock\.yaml lacks digests\.seed\.\n  Put back a copy of it"):
        check(study)
