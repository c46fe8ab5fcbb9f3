import json
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from paredown.core.errors import BadData, Damaged, OtherJob, StudyBusy, UsageError
from paredown.core.job import DataSpec, Deploy, Job, ModelSpec, SearchSpec
from paredown.core.policy import Kind, Limit, Policy, Rule, Scale
from paredown.core.reading import How, Missing, Reading
from paredown.core.trial import Trial
from paredown.ground.digests import of_file
from paredown.study import study as study_module
from paredown.study.ledger import Ledger
from paredown.study.study import Study, policy_digest, trials

DIGESTS = {"model": "aaa", "train": "bbb", "test": "ccc"}


def rule(value: float = 0.02, text: str = "2 %", where: str = "policy.yaml:3") -> Rule:
    limit = Limit(value=value, scale=Scale.RELATIVE, text=text)
    return Rule(id="quality", quantity="quality", kind=Kind.DROP, limit=limit, where=where)


JOB = Job(
    name="digits",
    model=ModelSpec(kind="builtin", value="digits-cnn"),
    task="image-classification",
    data=DataSpec(sources={"all": "digits"}),
    metric="accuracy",
    policy=Policy(name="frugal", rules=(rule(),)),
    document={"name": "digits", "deploy": {"grid": {"zone": "NO"}}, "data": ("a", 0.1, "1e6", None, True), "policy": Path("p.yaml")},
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "digits"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(folder: Path, job: Job = JOB, digests=DIGESTS, **options) -> Study:
    """Open and close."""
    with Study.open(folder, job, digests, **options) as study:
        return study


def test_what_work_has_read_is_written_down_and_another_content_is_another_job(folder, tmp_path):
    own, elsewhere = tmp_path / "parts.py", tmp_path / "lib" / "shared.py"
    elsewhere.parent.mkdir()
    own.write_text("one")
    elsewhere.write_text("two")
    job = replace(JOB, folder=tmp_path)
    with Study.open(folder, job, DIGESTS) as study:
        study.note_read({str(own): of_file(own)})
        study.note_read({str(elsewhere): of_file(elsewhere), str(own): of_file(own)})
        study.refuse_changed()
        study.ledger.add("trial", "k", 1)
    assert YAML(typ="safe").load(folder / "job.lock.yaml")["read"] == {"lib/shared.py": of_file(elsewhere), "parts.py": of_file(own)}
    with Study.open(folder, job, DIGESTS) as study:  # goes on, and keeps the list
        assert sorted(study.read) == ["lib/shared.py", "parts.py"]
        own.write_text("another")
        with pytest.raises(OtherJob, match=rf"  parts\.py: {study.read['parts.py']} -> {of_file(own)}\n  Use another folder"):
            study.refuse_changed()
        with pytest.raises(OtherJob, match=r"  parts\.py: \w{64} -> \w{64}\n"):
            study.note_read({str(own): of_file(own)})
    with pytest.raises(OtherJob, match=r"entries differ \(old -> new\):\n  parts\.py: \w{64} -> \w{64}\n  Use"):
        run(folder, job)
    own.unlink()
    with pytest.raises(OtherJob, match=r"  parts\.py: \w{64} -> gone\n"):
        run(folder, job)
    assert not run(folder, job, fresh=True).read


def test_a_new_study_makes_its_folder_and_says_what_it_was_made_with(folder):
    with Study.open(folder, JOB, DIGESTS) as study:
        assert study.folder == folder
        assert study.store_folder.is_dir()
        assert study.data_folder.is_dir()
        assert study.artifacts_folder.is_dir()
        assert (study.cache, study.seed, study.lost, study.trials(), study.post_hoc) == (folder / "cache", 0, (), [], False)
    assert names(folder) == [".lock", "cache", "job.lock.yaml", "ledger.sqlite"]
    document = YAML(typ="safe", pure=True).load((folder / "job.lock.yaml").read_text())
    assert document["digests"] == DIGESTS | {
        "task": "image-classification",
        "metric": "accuracy",
        "seed": "0",
        "scenario": "single-stream",
        "batch": "1",
    }
    assert document["job"] == {
        "name": "digits",
        "deploy": {"grid": {"zone": "NO"}},
        "data": ["a", 0.1, "1e6", None, True],
        "policy": "p.yaml",
    }
    assert (document["format"], document["name"]) == (1, "digits")


def test_the_same_job_goes_on(folder):
    with Study.open(folder, JOB, DIGESTS) as study:
        study.ledger.add("build", "a", "digest")
        study.note("first")
        (study.store_folder / "kept").write_text("")
    with Study.open(folder, JOB, DIGESTS) as study:
        study.note("second")
        study.note("first")
        assert study.ledger.find("build", "a").value == "digest"
        assert study.notes() == ["first", "second"]
        assert (study.store_folder / "kept").exists()


def test_a_changed_budget_or_document_goes_on_and_is_written_down(folder):
    run(folder)
    run(folder, replace(JOB, search=SearchSpec(budget_s=60.0), document={"search": {"budget": "1 min"}}))
    assert YAML(typ="safe", pure=True).load((folder / "job.lock.yaml").read_text())["job"] == {"search": {"budget": "1 min"}}


def test_another_job_is_refused_with_what_differs(folder):
    run(folder, digests=DIGESTS | {"old": "only"})
    other = replace(JOB, metric="macro_f1", search=SearchSpec(seed=3), deploy=Deploy(scenario="offline", batch=32))
    with pytest.raises(OtherJob) as caught:
        run(folder, other, DIGESTS | {"test": "ddd", "new": "one"})
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{folder} holds the study of another job; these entries differ (old -> new):"
    assert sorted(lines[1:-1]) == [
        "  batch: 1 -> 32",
        "  metric: accuracy -> macro_f1",
        "  new: none -> one",
        "  old: only -> none",
        "  scenario: single-stream -> offline",
        "  seed: 0 -> 3",
        "  test: ccc -> ddd",
    ]
    assert "`--fresh`" in lines[-1]
    run(folder, digests=DIGESTS | {"old": "only"})


@pytest.mark.parametrize("change", [{"task": "tabular-classification"}, {"metric": "loss"}])
def test_task_and_metric_have_to_stay(folder, change):
    run(folder)
    with pytest.raises(OtherJob, match=f": .* -> {next(iter(change.values()))}"):
        run(folder, replace(JOB, **change))


def test_fresh_deletes_what_is_ours_and_nothing_else(folder):
    with Study.open(folder, JOB, DIGESTS) as study:
        study.note("old")
    for name in ("artifact", "nearest-miss", "evidence", "review", "mine"):
        (folder / name).mkdir()
        (folder / name / "file").write_text("")
    for name in ("report.html", "result.json", "notes.txt", "ledger.sqlite.bak", "cache/store/old"):
        (folder / name).write_text("")
    with Study.open(folder, JOB, DIGESTS | {"model": "other"}, fresh=True) as study:
        assert study.notes() == []
        assert list(study.store_folder.iterdir()) == []
    assert names(folder) == [".lock", "cache", "job.lock.yaml", "ledger.sqlite", "ledger.sqlite.bak", "mine", "notes.txt"]
    assert names(folder / "mine") == ["file"]


def test_fresh_keeps_what_a_link_points_to(folder, tmp_path):
    run(folder)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("")
    (folder / "artifact").symlink_to(tmp_path / "elsewhere")
    run(folder, fresh=True)
    assert not (folder / "artifact").exists()
    assert names(tmp_path / "elsewhere") == ["file"]


@pytest.mark.parametrize("fresh", [False, True])
def test_somebody_elses_folder_is_refused_and_left_as_it_is(folder, fresh):
    folder.mkdir(parents=True)
    for name in ("a.txt", "b.txt", "cache", "result.json"):
        (folder / name).write_text("mine")
    with pytest.raises(UsageError, match=r"digits is not empty and holds no study; found a\.txt, b\.txt, cache, \.\.\."):
        run(folder, fresh=fresh)
    assert names(folder) == ["a.txt", "b.txt", "cache", "result.json"]


def test_a_file_is_no_folder(folder):
    folder.parent.mkdir()
    folder.write_text("")
    with pytest.raises(UsageError, match=r"digits is a file; a study needs a folder"):
        run(folder)


def test_an_empty_folder_and_one_from_a_run_killed_at_birth_are_taken(folder):
    folder.mkdir(parents=True)
    (folder / ".lock").write_text("")
    (folder / ".job.lock.yaml.00ff.part").write_text("form")
    run(folder)
    assert names(folder) == [".lock", "cache", "job.lock.yaml", "ledger.sqlite"]


def test_a_study_killed_before_its_ledger_was_made_goes_on(folder):
    run(folder)
    (folder / "ledger.sqlite").unlink()
    (folder / ".ledger.sqlite.part").write_text("half")
    assert run(folder).lost == ()


def test_a_ledger_without_its_job_is_damage_and_fresh_starts_again(folder):
    run(folder)
    (folder / "job.lock.yaml").unlink()
    with pytest.raises(Damaged, match=r"digits holds ledger\.sqlite and no job\.lock\.yaml.*\n.*`--fresh`"):
        run(folder)
    run(folder, fresh=True)


@pytest.mark.parametrize(
    "content", [b"", b"- a", b"a: [", b"\xff\xfe", b"format: 1\nparedown: x\n", b"format: 1\nparedown: x\ndigests: 3\n"]
)
def test_a_damaged_lock_file_is_named(folder, content):
    run(folder)
    (folder / "job.lock.yaml").write_bytes(content)
    with pytest.raises(Damaged, match=r"digits/job\.lock\.yaml is damaged: (.|\n)*`--fresh`"):
        run(folder)
    run(folder, fresh=True)


def test_a_lock_file_of_a_later_format_is_refused(folder):
    run(folder)
    text = (folder / "job.lock.yaml").read_text()
    (folder / "job.lock.yaml").write_text(text.replace("format: 1", "format: 9"))
    with pytest.raises(UsageError, match=r"job\.lock\.yaml has format 9; this paredown reads 1"):
        run(folder)


def test_a_damaged_ledger_is_named_and_fresh_starts_again(folder):
    run(folder)
    (folder / "ledger.sqlite").write_bytes(b"noise" * 1000)
    with pytest.raises(Damaged, match=r"ledger\.sqlite is damaged: file is not a database"):
        run(folder)
    run(folder, fresh=True)


def test_another_version_goes_on_with_a_note(folder, monkeypatch):
    monkeypatch.setattr(study_module, "version", lambda name: "0.0.9")
    run(folder)
    monkeypatch.setattr(study_module, "version", lambda name: "0.1.0")
    for _ in range(2):
        with Study.open(folder, JOB, DIGESTS) as study:
            assert study.notes() == ["paredown 0.1.0 went on with what paredown 0.0.9 had recorded."]


def test_a_trial_comes_back_with_the_ledgers_number(folder):
    reading = Reading(quantity="cpu_time", value=1e-4 / 3, low=0.0, high=1e-3, how=How.MEASURED, n=10, covers=("cpu",))
    trial = Trial(
        id=0,
        recipe="@ onnxruntime(threads=1)",
        artifact="abc",
        quality=0.98,
        drop={"flips": 0.01, "drop": 0.0, "upper": 0.015},
        readings={"cpu_time": reading, "energy": Missing(quantity="energy", reason="no counter")},
        ratios={"cpu_time": replace(reading, unit="x")},
        notes=("one",),
        energy_j=3.5,
    )
    with Study.open(folder, JOB, DIGESTS) as study:
        study.ledger.once("trial", "a", lambda span: trial.json())
        study.ledger.once("trial", "b", lambda span: replace(trial, state="failed", reason="out of memory").json())
    with Study.open(folder, JOB, DIGESTS) as study:
        first, second = study.trials()
        assert [first.id, second.id] == [record.id for record in study.ledger.records("trial")]
        assert first == replace(trial, id=first.id)
        assert (second.state, second.reason) == ("failed", "out of memory")
    with Ledger.open(folder / "ledger.sqlite", read_only=True) as ledger:
        assert trials(ledger) == [first, second]


def test_a_policy_that_came_after_a_read_of_test_is_post_hoc(folder):
    looser = replace(JOB, policy=Policy(name="loose", rules=(rule(0.05, "5 %"),)))
    with Study.open(folder, JOB, DIGESTS) as study:
        assert not study.post_hoc
    with Study.open(folder, looser, DIGESTS) as study:
        assert not study.post_hoc
        study.ledger.add("test_read", "artifact", "digest")
    stricter = replace(JOB, policy=Policy(name="strict", rules=(rule(0.01, "1 %"),)))
    with Study.open(folder, stricter, DIGESTS) as study:
        assert study.post_hoc
        kept = [(record.value["name"], record.value["test_reads_before"]) for record in study.policies()]
        assert kept == [("frugal", 0), ("loose", 0), ("strict", 1)]
        assert study.policies()[2].value["policy"]["rules"][0]["limit"] == {"value": 0.01, "scale": "relative"}
    with Study.open(folder, JOB, DIGESTS) as study:
        assert not study.post_hoc


def test_a_policy_is_what_it_demands_not_how_it_is_written():
    same = Policy(name="copy", rules=(rule(0.02, "2%", "other.yaml:9"),))
    assert policy_digest(same) == policy_digest(JOB.policy)
    changed = [rule(0.021), replace(rule(), id="q"), replace(rule(), min_rows=5), replace(rule(), limit=None)]
    digests = {policy_digest(replace(same, rules=(item,))) for item in changed} | {policy_digest(replace(same, confidence=0.9))}
    assert len(digests | {policy_digest(same)}) == 6


def test_what_the_search_spent_starts_with_the_baseline(folder):
    with Study.open(folder, JOB, DIGESTS) as study:
        study.ledger.once("baseline", "b", lambda span: span.beat(energy_j=100.0))
        study.ledger.once("build", "a", lambda span: span.beat(energy_j=7.0))
        assert study.spent().energy_j == 7.0


KILLED = """
import pickle, sys, time
from pathlib import Path
from paredown.study import ledger
from paredown.study.study import Study
ledger.BEAT_S = 0.0
folder, job, digests = pickle.loads(sys.stdin.buffer.read())
with Study.open(folder, job, digests) as study, study.ledger.span("build", "a") as span:
    span.beat(wall_s=12.0, energy_j=5.0)
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_and_after_kill_9_the_lost_work_is_booked(folder):
    with subprocess.Popen([sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickle.dumps((folder, JOB, DIGESTS)))
        process.stdin.close()
        assert process.stdout.readline() == b"ready\n"
        for fresh in (False, True):
            with pytest.raises(StudyBusy, match=rf"runs/digits is held by process {process.pid} on .* since .*\n.*--study DIR"):
                run(folder, fresh=fresh)
        began = time.monotonic()
        process.kill()
        with Study.open(folder, JOB, DIGESTS, wait_s=10) as study:
            assert time.monotonic() - began < 5
            (lost,) = study.lost
            assert (lost.kind, lost.key, lost.wall_s, lost.energy_j, lost.pid) == ("build", "a", 12.0, 5.0, process.pid)
            assert study.ledger.find("build", "a") is None
    assert run(folder).lost == ()


def test_an_error_inside_gives_the_study_back(folder):
    with pytest.raises(ZeroDivisionError), Study.open(folder, JOB, DIGESTS):
        _ = 1 / 0
    assert run(folder).lost == ()
    assert json.loads((folder / ".lock").read_text())["pid"] > 0


def test_what_a_refusal_quotes_of_the_data_is_not_kept(folder):
    with pytest.raises(BadData, match="holds 'secret'"), Study.open(folder, JOB, DIGESTS):
        raise BadData("column 'x' holds 'secret' in row 3.")
    with Ledger.open(folder / "ledger.sqlite", read_only=True) as ledger:
        assert [record.value for record in ledger.records("refused")] == ["BadData"]
    assert not any(b"secret" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
