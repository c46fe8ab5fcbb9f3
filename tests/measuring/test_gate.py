"""The gate for CI: three states, the artifact where it is at hand, else the reading with the drift of the machine in its interval."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paredown.core.errors import Damaged, UsageError
from paredown.core.reading import How, Missing, Reading
from paredown.measuring import gate
from paredown.measuring.gate import Change, against_recorded, artifact_at_hand, limits_of, read_baseline, side_by_side
from paredown.measuring.measured import FORMAT, Measured

HOST = {"isa": "avx2", "cores": 2, "cpu": {"vendor": "GenuineIntel", "family": 6, "model": 85}}


def reading(quantity: str, value: float, half: float = 0.0, how: How = How.MEASURED, unit: str = "") -> Reading:
    ends = {"low": value * (1 - half), "high": value * (1 + half)} if half else {}
    return Reading(quantity=quantity, value=value, how=how, unit=unit, **ends)


def measured(cpu_s: float, half: float = 0.01, reference_s: float = 1e-3, **changes: Any) -> Measured:
    found = Measured(
        artifact=Path("runs/x"),
        recipe="as_given",
        readings={
            "cpu_time": reading("cpu_time", cpu_s, half),
            "energy": reading("energy", cpu_s, 0.3, How.ESTIMATED),
            "size": reading("size", 1000.0),
        },
        other=None,
        other_recipe="",
        other_readings={},
        ratios={},
        noise_floor=None,
        detectable=None,
        windows=200,
        window_s=0.1,
        sittings=12,
        steady={},
        batch=1,
        asked="4 rows",
        seconds=60.0,
        quick=False,
        warnings=(),
        reference=reading("cpu_time", reference_s, 0.001),
        host=HOST,
        digest="d",
    )
    return replace(found, **changes)


def turns(low: float, value: float, high: float, floor: float = 0.0) -> Measured:
    """Target over baseline; the ratio that is recorded is the other way round."""
    ratio = Reading(quantity="cpu_time", value=1 / value, low=1 / high, high=1 / low, unit="x", how=How.MEASURED)
    return measured(1.0, ratios={"cpu_time": ratio, "size": reading("size", 1.0, unit="x")}, noise_floor=floor)


@pytest.mark.parametrize(
    ("ends", "floor", "change", "words"),
    [
        ((0.99, 1.0, 1.01), 0.02, Change.WITHIN, r"^\+0 % \(-1 to \+1 %\) where at most \+5 % is allowed\.$"),
        ((0.40, 0.5, 0.60), 0.02, Change.WITHIN, r"^-50 % \(-60 to -40 %\)"),
        ((1.06, 1.08, 1.10), 0.02, Change.REGRESSION, r"^\+8 % \(\+6 to \+10 %\) where at most \+5 % is allowed\.$"),
        ((1.06, 1.08, 1.10), 0.09, Change.UNCLEAR, r"above \+5 %, but within the noise floor of 9 %\.$"),
        ((1.02, 1.06, 1.10), 0.02, Change.UNCLEAR, r"the interval holds the limit of \+5 %; measure longer, or allow more\.$"),
    ],
)
def test_three_states_of_a_change(ends: tuple[float, float, float], floor: float, change: Change, words: str) -> None:
    (found,) = side_by_side(turns(*ends, floor=floor), {"cpu_time": 0.05})
    assert found.change is change
    assert found.more == pytest.approx(ends[1] - 1)
    assert re.search(words, found.reason), found.reason


def test_a_limit_for_all_leaves_out_an_energy_that_is_cpu_time_in_other_words() -> None:
    found = side_by_side(turns(0.99, 1.0, 1.01), {"": 0.05})
    assert [item.quantity for item in found] == ["cpu_time", "size"]
    named = side_by_side(turns(0.99, 1.0, 1.01), {"": 0.05, "energy": 0.2})
    assert [(item.quantity, str(item.change)) for item in named] == [("cpu_time", "within"), ("energy", "unclear"), ("size", "within")]
    assert named[1].reason == "not known: there is no ratio of it."


def test_a_slower_session_is_told_from_a_slower_model() -> None:
    baseline = json.loads(json.dumps(measured(1.0).json()))
    # everything takes 1.2 times longer today, the reference work too: the interval holds both readings of it
    (cpu, size) = against_recorded(measured(1.2, reference_s=1.2e-3), baseline, {"": 0.25})
    assert cpu.change is Change.WITHIN
    assert cpu.more == pytest.approx(0.0, abs=1e-9)
    assert cpu.low == pytest.approx(0.0, abs=0.02)
    assert cpu.high == pytest.approx(0.2, abs=0.02)
    assert size.more == 0
    assert against_recorded(measured(1.2, reference_s=1.2e-3), baseline, {"": 0.05})[0].change is Change.UNCLEAR
    (worse, _) = against_recorded(measured(1.2), baseline, {"": 0.05})
    assert worse.change is Change.REGRESSION


def test_another_kind_of_machine_cannot_tell_a_time_but_a_size() -> None:
    other = {**HOST, "cores": 8, "cpu": HOST["cpu"] | {"model": 143}}  # type: ignore[operator]
    cpu, size = against_recorded(measured(1.0, host=other), measured(1.0).json(), {"": 0.05})
    assert cpu.reason == (
        "not known: the baseline is from another kind of machine: its number of cores was 2, here it is 8, "
        "its CPU model was 85, here it is 143."
    )
    assert (str(cpu.change), str(size.change)) == ("unclear", "within")


def test_what_was_not_read_is_unclear_with_the_reason() -> None:
    baseline = measured(1.0).json()
    few = measured(1.0, reference=None)
    assert against_recorded(few, baseline, {"": 0.05})[0].reason == "not known: too few windows to time the reference work between them."
    absent = measured(1.0, readings={"cpu_time": Missing(quantity="cpu_time", reason="no clock")})
    (found,) = against_recorded(absent, baseline, {"cpu_time": 0.05})
    assert found.reason == "not known: no clock."
    baseline["target"]["readings"]["size"]["value"] = 0.0
    assert against_recorded(measured(1.0), baseline, {"size": 0.05})[0].reason == "not known: the baseline's value is 0."
    del baseline["target"]["readings"]["size"]
    assert against_recorded(measured(1.0), baseline, {"size": 0.0})[0].reason == "not known: the baseline has no such reading."


def test_another_batch_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the baseline was measured with batch 32, this with batch 1\.\n  Measure both in the same way"):
        against_recorded(measured(1.0), measured(1.0, batch=32).json(), {"": 0.05})


def test_limits() -> None:
    assert limits_of(["5%", "cpu_time=10 %", "size=0"]) == {"": 0.05, "cpu_time": 0.1, "size": 0.0}
    with pytest.raises(UsageError, match=r"--max-regression is '5 ms'; that is a time, not a share or a plain number\.\n  Write `--max"):
        limits_of(["5 ms"])
    with pytest.raises(UsageError, match=r"--max-regression names 'quality'; a gate holds cpu_time, energy, .*peak_rss\."):
        limits_of(["quality=5%"])
    with pytest.raises(UsageError, match=r"--max-regression is 'size=5', which is 500 %; above 100 % it needs the sign\.\n  Write `--max"):
        limits_of(["size=5"])
    assert limits_of(["0.05", "size=500 %"]) == {"": 0.05, "size": 5.0}


def test_a_quantity_that_is_named_and_not_read_holds_the_gate_open_for_nobody() -> None:
    for found in (
        against_recorded(measured(1.0), measured(1.0).json(), {"gpu_energy": 0.05}),
        side_by_side(turns(0.99, 1.0, 1.01), {"gpu_energy": 0.05}),
    ):
        assert [(item.quantity, str(item.change), item.reason) for item in found] == [
            ("gpu_energy", "unclear", "not known: this machine does not read it.")
        ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.pop("target"), r"has no whole measurement \(KeyError: 'target'\)"),
        (lambda data: data["target"].pop("folder"), "has no whole measurement"),
        (lambda data: data["target"].update(readings=[]), "has no whole measurement"),
        (lambda data: data["target"]["readings"]["size"].pop("value"), r"has no whole measurement \(KeyError: 'value'\)"),
        (lambda data: data["target"]["readings"]["size"].update(how="guessed"), "'guessed' is not a valid How"),
        (lambda data: data["target"]["readings"]["size"].update(value="5"), "has size '5', which is no finite number"),
        (lambda data: data["target"]["readings"]["cpu_time"].update(low=float("nan")), r"has cpu_time\.low nan, which is no finite number"),
        (lambda data: data.pop("host"), r"has no whole measurement \(KeyError: 'host'\)"),
        (lambda data: data.update(host="x"), "has no whole measurement"),
        (lambda data: data.pop("noise_floor"), "has no whole measurement"),
        (lambda data: data.pop("digest"), "has no whole measurement"),
    ],
)
def test_a_baseline_that_was_cut_or_edited(tmp_path: Path, change: Callable[[Any], Any], words: str) -> None:
    data = json.loads(json.dumps(measured(1.0).json()))
    (tmp_path / "b.json").write_text(json.dumps(data))
    assert read_baseline(tmp_path / "b.json") == data
    change(data)
    (tmp_path / "b.json").write_text(json.dumps(data))
    with pytest.raises(Damaged, match=rf"b\.json .*{words}.*\.\n  `paredown measure ARTIFACT --save"):
        read_baseline(tmp_path / "b.json")


def test_files_that_are_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.json cannot be read: No such file or directory\.\n  `paredown measure ARTIFACT --save"):
        read_baseline(tmp_path / "absent.json")
    (tmp_path / "text.json").write_text("no")
    with pytest.raises(Damaged, match=r"text\.json is not JSON: Expecting value"):
        read_baseline(tmp_path / "text.json")
    (tmp_path / "other.json").write_text('{"format": 1}')
    with pytest.raises(Damaged, match=rf"other\.json has format 1; a baseline has '{FORMAT}'"):
        read_baseline(tmp_path / "other.json")


def test_the_artifact_is_taken_where_its_bytes_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "model.onnx").write_bytes(b"1")
    digest = gate.of_folder(tmp_path / "ours")
    shutil.copytree(tmp_path / "ours", tmp_path / "kept" / "ours")
    baseline = {"target": {"folder": "nowhere/ours"}, "digest": digest}
    assert artifact_at_hand(baseline, tmp_path / "kept" / "baseline.json") == tmp_path / "kept" / "ours"
    (tmp_path / "kept" / "ours" / "model.onnx").write_bytes(b"2")
    assert artifact_at_hand(baseline, tmp_path / "kept" / "baseline.json") is None
