"""What using the model takes, in result.json and in policies; and the same with another grid, without measuring again."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from pathlib import Path

import pytest

from paredown.core.errors import BadData, UnknownName, UsageError
from paredown.core.reading import Reading, reading_from_json
from paredown.evidence.bundle import verify_bundle
from paredown.exports.records import study_records
from paredown.ground import digests
from paredown.impact.before_after import TAKEN, grid_named, reaccounted
from paredown.impact.site_json import site_from_json, site_json
from paredown.running.story import run
from tiny_cli import leave
from tiny_study import ONE_RECIPE, TinyStudy, shorten, write_tiny_job

PLACE = "grid: {zone: NO, pue: 1.2, water_onsite: 0.2 L/kWh, water_offsite: 1.5 L/kWh}"
DEPLOY = f"{{runtimes: [onnxruntime], {PLACE}, machine: {{price: 0.36 EUR/h, embodied: 1200 kg, life: 4 years, share: 2/64}}}}"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shorten(monkeypatch, tmp_path / "state")


def spans(study: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(study / "ledger.sqlite") as file:
        return file.execute("SELECT kind, key FROM spans WHERE kind != 'own' ORDER BY id").fetchall()


def at(study: TinyStudy, deploy: str, folder: Path, policy: str = "{minimize: size, rules: [{quality: {drop: 5 %}}]}") -> dict:
    """A copy of a finished study, gone on with at another place; returns its result.json."""
    shutil.copytree(study.folder, folder)
    text = study.job.read_text().replace("{runtimes: [onnxruntime]}", deploy)
    job = study.job.with_name(f"{folder.name}.yaml")
    job.write_text(text[: text.index("policy: ")] + f"policy: {policy}\n")
    before = spans(folder)
    run(job, folder)
    assert spans(folder) == before, "a declared place measures nothing again"
    return json.loads((folder / "result.json").read_text())


@pytest.fixture
def declared(tiny_study: TinyStudy, tmp_path: Path) -> dict:
    return at(tiny_study, DEPLOY, tmp_path / "declared")


def value(num: dict) -> float:
    return float(num["value"])


def test_without_a_place_energy_is_told_and_the_rest_says_what_to_declare(tiny_study: TinyStudy) -> None:
    impact = json.loads((tiny_study.folder / "result.json").read_text())["impact"]
    found = impact["totals"]["quantities"]
    assert (impact["totals"]["count"], impact["totals"]["declared"]) == (1e6, False)
    assert value(found["energy"]["before"]) > 0
    assert "no place was declared" in found["carbon"]["before"]["missing"]
    assert "no price" in found["cost"]["after"]["missing"]
    assert "water_onsite" in impact["search"]["water"]["missing"]
    assert "training_energy" in impact["upstream"]["missing"]


def test_a_place_declared_later_accounts_what_was_recorded(declared: dict) -> None:
    for side in ("baseline", "fastest_fp32", "chosen"):
        readings = declared[side]["readings"]
        joules = value(readings["energy"]) + value(readings["idle_energy"])
        grid = declared["impact"]["site"]["grid"]["factor"]["value"]
        assert value(readings["carbon"]) == pytest.approx(joules / 3.6e6 * 1.2 * grid)
        assert value(readings["water"]) == pytest.approx(joules / 3.6e6 * (0.2 + 1.2 * 1.5))
        assert value(readings["cost"]) == pytest.approx(0.36 / 3600 / value(readings["throughput"]))
        assert readings["cost"]["unit"] == "EUR"
    assert all("carbon" in declared["chosen"][group] for group in ("ratios", "ratios_vs_fastest_fp32", "ratios_as_found"))
    assert [trial["readings"]["carbon"]["unit"] for trial in declared["trials"] if trial["state"] == "done"] == ["g"] * 3


def test_totals_are_a_million_times_one_inference_and_saved_lies_in_its_interval(declared: dict) -> None:
    for name in TAKEN:
        sides = declared["impact"]["totals"]["quantities"].get(name)
        if sides is None or "missing" in sides["before"]:
            continue
        assert value(sides["before"]) == pytest.approx(1e6 * value(declared["baseline"]["readings"][name]))
        assert value(sides["saved"]) == pytest.approx(value(sides["before"]) - value(sides["after"]), rel=1e-6, abs=1e-12)
        if sides["saved"]["low"] is not None:
            assert sides["saved"]["low"] <= value(sides["saved"]) <= sides["saved"]["high"]


def test_the_search_is_accounted_by_its_hours(declared: dict) -> None:
    search, impact = declared["search"], declared["impact"]["search"]
    joules = value(search["energy_j"]) + value(search["idle_energy_j"])
    assert math.fsum(search["hourly_j"].values()) == pytest.approx(joules, rel=1e-6)
    assert value(impact["carbon"]) == pytest.approx(joules / 3.6e6 * 1.2 * declared["impact"]["site"]["grid"]["factor"]["value"])
    assert value(impact["cost"]) == pytest.approx(0.36 / 3600 * search["wall_s"])
    exported = study_records(declared)[-1]
    assert {name: item.json() for name, item in exported.readings.items() if name != "cpu_time"} == {
        name: num for name, num in impact.items() if isinstance(num, dict)
    }
    assert (exported.started, exported.hourly_j) == (search["started"], search["hourly_j"])
    assert declared["started"] <= search["started"] < declared["created"]


def test_at_a_declared_volume_idle_and_rent_go_by_the_machines_kept(tiny_study: TinyStudy, tmp_path: Path) -> None:
    deploy = DEPLOY.replace("{runtimes", "{volume: 36e3 / month for 1 month, runtimes")
    impact = at(tiny_study, deploy, tmp_path / "volume")["impact"]
    totals = impact["totals"]
    assert (totals["count"], totals["declared"], totals["load"]["after"]["machines"]) == (36e3, True, 1)
    assert value(totals["quantities"]["cost"]["before"]) == pytest.approx(0.36 * totals["period_s"] / 3600)
    assert value(totals["quantities"]["cost"]["saved"]) == 0.0
    assert impact["payback"]["cost"]["inferences"]["missing"] == "no saving is shown"


def test_rules_and_minimize_take_what_is_derived(tiny_study: TinyStudy, tmp_path: Path) -> None:
    rules = "{carbon: {max: 100 x baseline}}, {cost: {max: 100 x baseline}}, {carbon: {id: none, max: 0.0001 x baseline, level: should}}"
    found = at(tiny_study, DEPLOY, tmp_path / "rules", f"{{minimize: carbon, rules: [{{quality: {{drop: 5 %}}}}, {rules}]}}")
    outcomes = {finding["rule"]: finding["outcome"] for finding in found["findings"]}
    assert outcomes.items() >= {"carbon": "pass", "cost": "pass", "none": "fail"}.items()


def test_a_rule_on_carbon_without_a_place_is_inconclusive_and_says_so(tiny_study: TinyStudy, tmp_path: Path) -> None:
    policy = "{minimize: size, rules: [{quality: {drop: 5 %}}, {carbon: {max: 100 x baseline}}]}"
    found = at(tiny_study, "{runtimes: [onnxruntime]}", tmp_path / "nowhere", policy)
    finding = next(one for one in found["findings"] if one["rule"] == "carbon")
    assert (found["verdict"], finding["outcome"], finding["blocks"]) == ("inconclusive", "inconclusive", True)
    assert "no place was declared" in finding["reason"]


def test_carbon_cannot_be_minimized_without_a_place(tmp_path: Path) -> None:
    job = write_tiny_job(tmp_path, "{minimize: carbon, rules: [{quality: {drop: 5 %}}]}", ONE_RECIPE)
    with pytest.raises(UsageError, match="the policy minimizes carbon, which would be missing: no place was declared"):
        run(job, tmp_path / "study")


def test_another_grid_is_taken_without_measuring_and_leaves_result_and_evidence(
    tiny_study: TinyStudy, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "study"
    was = at(tiny_study, DEPLOY, folder)
    kept = {name: digests.of_file(folder / name) for name in ("result.json", "report.html", "ledger.sqlite")}
    code, out, _ = leave(capfd, "report", folder, "--grid", "DE", "--json")
    now = json.loads(out)
    assert code == 0
    factors = [one["impact"]["site"]["grid"]["factor"]["value"] for one in (was, now)]
    for side in ("baseline", "chosen"):
        carbon = [value(one[side]["readings"]["carbon"]) for one in (was, now)]
        assert carbon[1] / carbon[0] == pytest.approx(factors[1] / factors[0])
    assert now["chosen"]["ratios"]["carbon"]["value"] == pytest.approx(was["chosen"]["ratios"]["carbon"]["value"])
    assert now["findings"] == was["findings"]
    assert {name: digests.of_file(folder / name) for name in kept} == kept
    page = (folder / "report.DE.html").read_text()
    assert "instead of NO" in page
    assert "Nothing was measured again" in page
    assert verify_bundle(folder / "evidence") > 0
    assert leave(capfd, "verify", folder)[0] == 0


def test_each_hour_of_the_search_takes_its_own_factor(declared: dict, tmp_path: Path) -> None:
    result = declared | {"search": declared["search"] | {"hourly_j": {"2026-11-24T21": 300.0, "2026-11-24T22": 100.0}}}
    file = tmp_path / "hours.csv"
    file.write_text("time,g_per_kwh\n2026-11-24T21:00Z,100\n2026-11-24T22:00Z,500\n2026-11-24T23:00Z,300\n")
    found = reaccounted(result, grid_named(str(file)))
    search = found["impact"]["search"]
    assert (search["g_per_kwh"], search["hours"], search["hours_in_series"]) == (pytest.approx(200.0), 2, 2)
    joules = value(result["search"]["energy_j"]) + value(result["search"]["idle_energy_j"])
    assert value(search["carbon"]) == pytest.approx(joules / 3.6e6 * 1.2 * 200.0)
    readings = found["chosen"]["readings"]
    assert value(readings["carbon"]) == pytest.approx((value(readings["energy"]) + value(readings["idle_energy"])) / 3.6e6 * 1.2 * 300.0)
    assert found["impact"]["site"]["grid"]["zone"] == "hours"


def test_what_is_no_grid_is_refused(tiny_study: TinyStudy, declared: dict) -> None:
    with pytest.raises(UnknownName, match="no grid zone 'Norge'"):
        grid_named("Norge")
    with pytest.raises(BadData, match=r"gone\.csv"):
        grid_named("gone.csv")
    old = {name: item for name, item in declared.items() if name != "impact"}
    with pytest.raises(UsageError, match=r"the result of tiny was written by paredown .*, which kept no energy by the hour"):
        reaccounted(old, grid_named("DE"))


def test_a_site_comes_back_from_plain_data(declared: dict) -> None:
    site = site_from_json(declared["impact"]["site"])
    assert site_json(site) == declared["impact"]["site"]
    assert isinstance(reading_from_json("carbon", declared["chosen"]["readings"]["carbon"]), Reading)
