"""`paredown measure`: the table and its boundary, commands with their own exit code, wrong usage."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from paredown.cli import measure
from paredown.core.errors import UsageError
from paredown.core.reading import How, Missing, Reading
from paredown.measuring.measured import FORMAT, Measured
from paredown.report.format import at_most
from paredown.stats.paired import relative_upper
from tiny_cli import leave
from tiny_study import TinyStudy


def test_a_comparison_shows_ratio_noise_floor_boundary_and_that_it_was_quick(tiny_study: TinyStudy, capfd) -> None:
    code, out, err = leave(capfd, "measure", tiny_study.folder, "--against", "baseline", "--seconds", "1")
    assert code == 0
    assert "quantize_dynamic() @ onnxruntime" in out
    assert "as_given @ onnxruntime" in out
    line = next(line for line in out.splitlines() if line.startswith("CPU time"))
    assert line.count("[") == 3  # both sides and the ratio with their intervals
    assert "noise floor of CPU time" in out
    assert "raw input to decoded answer" in out
    assert "quick measurement: 1 s" in out
    assert "measuring" in err


def test_json_of_one_artifact(tiny_study: TinyStudy, capfd) -> None:
    code, out, _ = leave(capfd, "measure", tiny_study.artifact, "--seconds", "1", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["against"] is None
    assert found["target"]["readings"]["cpu_time"]["unit"] == "s"


def _measured(low: float, high: float, floor: float) -> Measured:
    ratio = Reading(quantity="cpu_time", value=(low + high) / 2, low=low, high=high, unit="x", how=How.MEASURED)
    names = ("artifact", "recipe", "other", "other_recipe", "detectable", "windows", "window_s", "sittings", "steady", "batch", "asked")
    fields = dict.fromkeys((*names, "seconds", "quick", "warnings"))
    return Measured(readings={}, other_readings={}, ratios={"cpu_time": ratio}, noise_floor=floor, **fields)


@pytest.mark.parametrize(("low", "high", "floor", "shown"), [(1.1, 1.2, 0.05, True), (1.1, 1.2, 0.15, False), (0.9, 1.2, 0, False)])
def test_a_difference_below_the_noise_floor_is_not_shown(low: float, high: float, floor: float, shown: bool) -> None:
    found = _measured(low, high, floor)
    text = measure._ratio(found, found.ratios["cpu_time"], lambda reading, kind: "ratio")
    assert ("no difference shown" in text) is not shown
    assert measure._ratio(found, Missing(quantity="cpu_time", reason="x"), lambda reading, kind: "gone") == "gone"


def test_a_command_keeps_its_stdout_and_its_exit_code(capfd) -> None:
    code, out, err = leave(capfd, "measure", "--", sys.executable, "-c", "print('mine'); raise SystemExit(7)")
    assert (code, out) == (7, "mine\n")
    assert "exit code 7 after" in err
    assert "CPU time" in err
    assert "all processes that it waited for" in err
    assert "Energy by estimator: vCPU curve " in err
    assert "the interval holds all estimators" in err
    assert "CPU above idle; memory, disks, network and cooling are not in it" in err


def test_a_command_at_a_place_has_its_carbon(capfd) -> None:
    code, _, err = leave(capfd, "measure", "--grid", "100 g/kWh", "--", sys.executable, "-c", "pass")
    assert code == 0
    assert "Carbon, electricity" in err
    assert "missing: no energy counter" not in err


def test_a_command_with_json_has_the_document_alone_on_stdout(capfd) -> None:
    code, out, err = leave(capfd, "measure", "--json", "--", sys.executable, "-c", "print('--json is its own here')")
    found = json.loads(out)
    assert (code, found["exit_code"]) == (0, 0)
    assert found["readings"]["energy"]["how"] == "estimated"
    assert "--json is its own here" in err


WRONG = {
    "nothing": ((), "either TARGET or a command"),
    "both": (("runs/x", "--", "ls"), "either TARGET or a command"),
    "no command": (("--",), "either TARGET or a command"),
    "grid with an artifact": (("runs/x", "--grid", "NO"), "--grid is 'NO', which goes with a command"),
    "command with data": (("--data", "x.csv", "--", "ls"), "only --json and --grid go with a command"),
    "limit alone": (("runs/x", "--max-regression", "5%"), "--max-regression needs something to hold against"),
    "server without rate": (("runs/x", "--scenario", "server"), "a server needs the rate at which requests arrive"),
    "rate without server": (("runs/x", "--rate", "5 /s"), "a server needs the rate at which requests arrive"),
    "rate without unit": (("runs/x", "--scenario", "server", "--rate", "5"), r"--rate is 5; it needs a unit\.\n  Write `100 /s`"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage(name: str) -> None:
    words, message = WRONG[name]
    with pytest.raises(UsageError, match=message):
        measure.command.main([*words], standalone_mode=False)


def test_quality_beside_speed(tiny_study: TinyStudy, capfd) -> None:
    words = ("--data", tiny_study.rows, "--label", "y", "--seconds", "1")
    code, out, _ = leave(capfd, "measure", tiny_study.folder, "--against", tiny_study.job.with_name("given.onnx"), *words)
    assert code == 0
    assert "answers: 0 % of 900 rows are answered otherwise" in out
    assert "accuracy: target 100 %, against 100 %" in out
    bound = at_most(relative_upper(900, 900, 0, 0, 0.95), "share")
    assert f"relative drop from against to target: 0 %, at most {bound} with 95 % confidence" in out
    code, out, _ = leave(capfd, "compare", tiny_study.artifact, tiny_study.folder, *words, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["answers"]["drop"]["confidence"] == 0.95
    assert found["target"]["recipe"] == found["against"]["recipe"]


def test_compare_names_its_sides(tiny_study: TinyStudy, capfd) -> None:
    code, out, err = leave(capfd, "compare", tiny_study.artifact, tiny_study.folder, "--seconds", "1")
    assert code == 0
    assert out.startswith(f"A: {tiny_study.artifact}: ")
    assert f"B: {tiny_study.artifact}: " in out
    assert "A takes times less" in out
    assert "in turn" in err
    code, out, err = leave(capfd, "compare", tiny_study.artifact, "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere does not exist.\n  Give the folder of an artifact or of a study, as `runs/digits`.\n" in err


def test_a_gate_measures_the_baseline_itself_where_it_is_at_hand(tiny_study: TinyStudy, tmp_path: Path, capfd) -> None:
    saved = tmp_path / "baseline.json"
    code, out, _ = leave(capfd, "measure", tiny_study.artifact, "--seconds", "1", "--save", saved)
    assert code == 0
    assert json.loads(saved.read_text())["format"] == FORMAT
    code, out, _ = leave(capfd, "measure", tiny_study.artifact, "--seconds", "1", "--against", saved, "--max-regression", "900%")
    assert code == 0
    assert f"against {saved}, measured in turn:" in out
    words = ("--seconds", "1", "--against", tiny_study.artifact, "--max-regression", "size=10%", "--json")
    code, out, _ = leave(capfd, "measure", tiny_study.job.parent / "study", *words)
    assert (code, [item["change"] for item in json.loads(out)["gate"]]) == (0, ["within"])


def test_a_gate_exits_with_1_on_a_regression_and_3_when_it_cannot_tell(tiny_study: TinyStudy, tmp_path: Path, capfd) -> None:
    saved = tmp_path / "baseline.json"
    leave(capfd, "measure", tiny_study.artifact, "--seconds", "1", "--save", saved)
    baseline = json.loads(saved.read_text())
    baseline |= {"digest": "of another"}
    baseline["target"]["readings"]["size"]["value"] /= 2
    saved.write_text(json.dumps(baseline))
    words = ("measure", tiny_study.artifact, "--seconds", "1", "--against", saved, "--max-regression")
    code, out, _ = leave(capfd, *words, "size=5%")
    assert code == 1
    assert "from another session: its artifact is not at hand" in out
    assert re.search(r"Size +regression +\+1e\+02 % where at most \+5 % is allowed|Size +regression +\+100 %", out)
    saved.write_text(json.dumps(baseline | {"host": {"isa": "other"}}))
    code, out, _ = leave(capfd, *words, "cpu_time=5%")
    assert code == 3
    assert "its instruction set was other, here it is" in out
    with pytest.raises(UsageError, match=r"baseline\.json is not at hand, so that its answers cannot be compared"):
        measure.command.main([*map(str, words), "5%", "--data", "x.csv", "--label", "y"][1:], standalone_mode=False)


def test_a_server_says_latency_load_and_what_idle_costs(tiny_study: TinyStudy, capfd) -> None:
    words = ("--scenario", "server", "--rate", "100 /s", "--rate", "1e6 /s", "--seconds", "2")
    code, out, err = leave(capfd, "measure", tiny_study.artifact, *words)
    assert code == 0
    assert re.search(r"100 /s, target: busy .* %; latency p50 .*; CPU time .*, energy .* above idle and .* with the idle share", out)
    assert re.search(r"1e\+06 /s, target: overloaded; it serves at most .* /s in one process", out)
    assert "warning: overloaded at 1e+06 /s: the model serves at most" in err
