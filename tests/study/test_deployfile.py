"""Where, on what and how much a model will be used, as a job declares it."""

from __future__ import annotations

import re
import textwrap
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from paredown.core.errors import BadDocument
from paredown.core.job import DataPathSpec, Deploy, GridSpec, MachineSpec, ModelSpec, PriceSpec
from paredown.core.runtime import Host
from paredown.impact.declared import site_of
from paredown.study.deployfile import SECTIONS
from paredown.study.jobfile import read_job

SMALL: dict[str, Any] = {
    "model": {"builtin": "digits-cnn"},
    "task": "image-classification",
    "data": {"builtin": "digits"},
    "metric": "accuracy",
    "policy": "frugal",
}
WHOLE = """\
    model: {builtin: digits-cnn}
    task: image-classification
    data: {builtin: digits}
    metric: accuracy
    policy: frugal
    deploy:
      volume: 2e6 / month for 12 months
      grid: {zone: NO, pue: 1.2, water_onsite: 1.8 L/kWh, water_offsite: 3.1 L/kWh, renewable: 60 %}
      machine: {vcpus: 2, purchase: 900 EUR, depreciation: 4 years, embodied: 1000 kg, life: 35040 h, share: 2/64, utilization: 30 %}
      prices: {electricity: 0.20 EUR/kWh, tax: 0.01 EUR/kWh, carbon: 90 EUR/t, subsidy: 10 %}
      transfer: {factor: 0.03 kWh/GB, devices: 1000, payload: 2 kB}
      storage: {factor: 1.2 W/TB, copies: 2}
"""
LIFE_S = 35040 * 3600.0
HOST = Host(cores=4, isa="avx2", cpu={}, memory_b=1, system="linux")


def job(folder: Path, text: str) -> Path:
    path = folder / "job.yaml"
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


def test_everything_that_can_be_declared(tmp_path: Path) -> None:
    assert read_job(job(tmp_path, WHOLE)).deploy == Deploy(
        volume=24e6,
        period_s=365.25 * 86400,
        grid=GridSpec(zone="NO", pue=1.2, water_onsite=1.8, water_offsite=3.1, renewable=0.6),
        machine=MachineSpec(vcpus=2, purchase=900, depreciation_s=LIFE_S, embodied_g=1e6, life_s=LIFE_S, share=0.03125, utilization=0.3),
        prices=PriceSpec(electricity=0.2, tax=0.01, carbon=90, subsidy=0.1),
        data_path=DataPathSpec(transfer_j_per_b=pytest.approx(1.08e-4), devices=1000, payload_b=2000, storage_w_per_b=1.2e-12, copies=2),
        currency="EUR",
    )


def test_the_site_that_follows_from_it(tmp_path: Path) -> None:
    here = site_of(read_job(job(tmp_path, WHOLE)).deploy, tmp_path, HOST)
    assert (here.grid.zone, here.pue.value, here.pue.source) == ("NO", 1.2, "declared")  # type: ignore[union-attr]
    assert (here.vcpus, here.host_vcpus, here.utilization, here.renewable) == (2, 4, 0.3, 0.6)
    assert here.rate == pytest.approx(24e6 / (365.25 * 86400), rel=1e-12)
    assert here.prices is not None
    assert (here.prices.currency, here.prices.purchase) == ("EUR", 900 * 0.03125)
    assert (here.embodied.total.value, here.embodied.life_s, here.embodied.share) == (1e6, LIFE_S, 0.03125)  # type: ignore[union-attr]


def test_nothing_declared_is_no_place_and_no_price() -> None:
    here = site_of(Deploy(), Path(), HOST)
    assert here.grid.reason.startswith("no place was declared")  # type: ignore[union-attr]
    assert (here.pue.value, here.pue.source) == (1.0, "not declared")
    assert (here.prices, here.rate, here.data_path, here.vcpus) == (None, None, None, 4)


def test_a_total_alone_gives_no_rate() -> None:
    deploy = read_job(SMALL | {"deploy": {"volume": 5e6}}).deploy
    assert (deploy.volume, deploy.period_s, site_of(deploy, Path(), HOST).rate) == (5e6, None, None)


def test_a_volume_of_0_is_refused() -> None:
    for text in (0, "0 / month for 12 months", "5 / month for 0 months"):
        with pytest.raises(BadDocument, match=r"deploy\.volume is .*; it needs to be above 0\.\n  Write `2e6 / month for 12 months`"):
            read_job(SMALL | {"deploy": {"volume": text}})


def test_an_own_factor_makes_the_zone_a_name() -> None:
    here = site_of(read_job(SMALL | {"deploy": {"grid": {"zone": "our plant", "factor": "75 lb/MWh"}}}).deploy, Path(), HOST)
    assert here.grid.zone == "our plant"  # type: ignore[union-attr]
    assert here.grid.factor.value == pytest.approx(75 * 0.45359237)  # type: ignore[union-attr]
    marginal = read_job(SMALL | {"deploy": {"grid": {"factor": "500 g/kWh", "signal": "marginal"}}}).deploy
    assert site_of(marginal, Path(), HOST).grid.signal == "marginal"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("deploy", "found", "do"),
    [
        ({"grid": {"zone": "Norwey"}}, "no grid zone 'Norwey'. Did you mean 'Norway'?", "`factor: 34 g/kWh`"),
        (
            {"grid": {"zone": "NO", "signal": "marginal"}},
            "deploy.grid.signal is marginal; the tables have averages.",
            "Give a marginal `factor`",
        ),
        ({"grid": {"zone": "NO", "signal": "mean"}}, "deploy.grid.signal is 'mean'.", "Allowed: average or marginal."),
        ({"grid": {"factor": 34}}, "deploy.grid.factor is 34; it needs a unit.", "Write `34 g/kWh`."),
        ({"grid": {"factor": "34 gCO2e/kWh"}}, "there is no unit 'gCO2e/kWh' for a mass per energy.", "Did you mean `34 g/kWh`?"),
        ({"grid": {"factor": "34 L/kWh"}}, "that is a volume per energy, not a mass per energy.", "Write `34 g/kWh`."),
        ({"grid": {"factor": "-1 g/kWh"}}, "it needs a number of 0 or more.", "Write `34 g/kWh`."),
        ({"grid": {"series": "nix.csv"}}, "deploy.grid.series is 'nix.csv'; there is no such file.", "folder of the job file"),
        ({"grid": {"column": "direct", "zone": "NO"}}, "deploy.grid.column says nothing without `series`.", "Add `series: carbon.csv`."),
        ({"grid": {"water_onsite": "1.8"}}, "deploy.grid.water_onsite is '1.8'; it needs a unit.", "Write `1.8 L/kWh`."),
        ({"grid": {"renewable": 0.6}}, "deploy.grid.renewable is 0.6; it needs a unit.", "Write `60 %`."),
        ({"grid": {"renewable": "120 %"}}, "that is more than 100 %.", "Write `60 %`."),
        ({"grid": {"pue": float("inf")}}, "deploy.grid.pue is inf.", "It should be a finite number."),
        ({"transfer": {"factor": "1 kWh/GB", "devices": float("inf")}}, "deploy.transfer.devices is inf.", "a finite number."),
        ({"machine": {"vcpus": 0}}, "deploy.machine.vcpus is 0.", "greater than 0"),
        ({"machine": {"price": "0.045 eur/h"}}, "'eur/h' is no currency of three capitals.", "Write `0.045 EUR/h`."),
        ({"machine": {"price": "0.045 EUR"}}, "deploy.machine.price is '0.045 EUR'; it needs to be per h.", "Write `0.045 EUR/h`."),
        ({"machine": {"purchase": "900 EUR/h", "depreciation": "4 years"}}, "it needs to be an amount alone.", "Write `900 EUR`."),
        ({"machine": {"purchase": "900 EUR"}}, "deploy.machine.purchase says nothing without `depreciation`.", "`depreciation: 4 years`"),
        (
            {"machine": {"purchase": "900 EUR", "depreciation": "4 years", "price": "1 EUR/h"}},
            "deploy.machine.purchase stands beside `machine.price`.",
            "A machine is rented or bought; take one out.",
        ),
        ({"machine": {"embodied": "1000 kg"}}, "deploy.machine.embodied says nothing without `life`.", "Add `life: 4 years`."),
        (
            {"machine": {"embodied": "1 s", "life": "4 years"}},
            "deploy.machine.embodied is '1 s'; that is a time, not a mass.",
            "Write `1000 kg`.",
        ),
        ({"machine": {"life": "4 years"}}, "deploy.machine.life says nothing without `embodied`.", "Add `embodied: 1000 kg`."),
        ({"machine": {"depreciation": "4 years"}}, "machine.depreciation says nothing without `purchase`.", "Add `purchase: 900 EUR`."),
        ({"machine": {"share": "2/64"}}, "machine.share says nothing without `embodied` or `purchase`.", "Add `embodied: 1000 kg`"),
        (
            {"prices": {"subsidy": "10 %"}},
            "subsidy says nothing without `electricity` or `price` or `purchase`.",
            "or what the machine costs",
        ),
        ({"grid": {"signal": "marginal"}}, "grid.signal says nothing without `zone` or `factor` or `series`.", "Add `series: carbon.csv`"),
        ({"grid": {"renewable": "60 %"}}, "grid.renewable says nothing without `zone` or `factor` or `series`.", "Add `zone: NO`."),
        (
            {"grid": {"factor": "380000 g/kWh"}},
            "that is 380000 g/kWh, more than any power station emits (3000 g/kWh).",
            "Write `34 g/kWh`.",
        ),
        ({"machine": {"life": "0 years", "embodied": "1 kg"}}, "deploy.machine.life is '0 years'; it needs a time above 0.", "`4 years`"),
        ({"machine": {"life": "4", "embodied": "1 kg"}}, "deploy.machine.life is '4'; it needs a unit.", "`35040 h`"),
        ({"machine": {"life": "4 yrs", "embodied": "1 kg"}}, "there is no unit 'yrs' for a life.", "Write `4 years` or `35040 h`."),
        ({"machine": {"share": "65/64"}}, "deploy.machine.share is '65/64'; it needs a share above 0 and up to 100 %.", "`2/64` or `3 %`"),
        ({"machine": {"share": "2/0"}}, "deploy.machine.share is '2/0'; it needs a share above 0", "`2/64` or `3 %`"),
        ({"machine": {"utilization": "0 %"}}, "deploy.machine.utilization is '0 %'; it needs a share above 0", "Write `30 %`."),
        ({"prices": {"electricity": "0.2 /kWh"}}, "'/kWh' is no currency of three capitals.", "Write `0.20 EUR/kWh`."),
        ({"prices": {"electricity": 0.2}}, "deploy.prices.electricity is 0.2; it needs a currency of three capitals.", "`0.20 EUR/kWh`"),
        ({"prices": {"carbon": "90 EUR/kg"}}, "deploy.prices.carbon is '90 EUR/kg'; it needs to be per t.", "Write `90 EUR/t`."),
        ({"prices": {"tax": "0.01 EUR/kWh"}}, "deploy.prices.tax says nothing without `electricity`.", "`electricity: 0.20 EUR/kWh`"),
        (
            {"prices": {"electricity": "0.2 EUR/kWh"}, "machine": {"price": "1 EUR/h"}},
            "deploy.prices.electricity stands beside `machine.price`.",
            "Rent has the electricity in it; take one out.",
        ),
        (
            {"prices": {"electricity": "0.2 EUR/kWh", "carbon": "90 USD/t"}},
            "deploy.prices.carbon is in USD, another price in EUR.",
            "Write all prices in one currency.",
        ),
        ({"prices": {"subsidy": "10"}}, "deploy.prices.subsidy is '10'; it needs a unit.", "Write `60 %`."),
        ({"transfer": {"devices": 1000}}, "deploy.transfer.devices says nothing without `factor`.", "`factor: 0.03 kWh/GB`"),
        (
            {"transfer": {"factor": "0.03 kWh"}},
            "deploy.transfer.factor is '0.03 kWh'; that is an energy, not an energy per byte.",
            "kWh/GB",
        ),
        ({"storage": {"copies": 2}}, "deploy.storage.copies says nothing without `factor`.", "`factor: 1.2 W/TB`"),
        ({"prizes": {}}, "no key 'prizes' in deploy.", "Did you mean `prices`?"),
    ],
)
def test_what_a_deployment_cannot_say(tmp_path: Path, deploy: dict[str, Any], found: str, do: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read_job(SMALL | {"deploy": deploy}, tmp_path)
    (said,) = caught.value.problems
    assert found in said.found
    assert do in said.do


def test_every_problem_of_a_deployment_at_its_line(tmp_path: Path) -> None:
    text = WHOLE.replace("zone: NO", "zone: Atlantis").replace("1000 kg", "1000 kilo").replace("90 EUR/t", "90 USD/t")
    with pytest.raises(BadDocument, match=r"job.yaml:8: no grid zone 'Atlantis'.") as caught:
        read_job(job(tmp_path, text))
    assert [problem.where for problem in caught.value.problems] == ["job.yaml:8", "job.yaml:9", "job.yaml:10"]


def test_the_training_energy_of_a_pretrained_model_is_no_option_of_it() -> None:
    model = {"builtin": "digits-cnn", "training_energy": "500 kWh", "source": "model card, 2024"}
    assert read_job(SMALL | {"model": model}).model == ModelSpec(
        kind="builtin", value="digits-cnn", training_j=1.8e9, training_source="model card, 2024"
    )


@pytest.mark.parametrize(
    ("entries", "found", "do"),
    [
        ({"training_energy": "500 kWh"}, "model.training_energy stands without `source`.", 'source: "model card, 2024"'),
        ({"source": "card"}, "model.source stands without `training_energy`.", "training_energy: 500 kWh"),
        ({"training_energy": "500 kg", "source": "card"}, "that is a mass, not an energy.", "`300 kJ` or `0.1 Wh`"),
        ({"training_energy": "500 kWh", "source": 3}, "model.source is 3; it has to be a text.", "Name who says so"),
    ],
)
def test_a_training_energy_needs_who_says_so(entries: dict[str, Any], found: str, do: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read_job(SMALL | {"model": {"builtin": "digits-cnn"} | entries})
    (said,) = caught.value.problems
    assert found in said.found
    assert do in said.do


def test_an_hourly_series_is_a_place_with_its_mean_and_its_hours(tmp_path: Path) -> None:
    rows = [f"2025-01-01T{hour:02}:00Z,{100 + 10 * hour}" for hour in range(24)]
    (tmp_path / "carbon.csv").write_text("\n".join(["time,g_per_kwh", *rows]) + "\n", "utf-8")
    deploy = read_job(SMALL | {"deploy": {"grid": {"series": "carbon.csv", "zone": "our plant", "signal": "marginal"}}}, tmp_path).deploy
    grid = site_of(deploy, tmp_path, HOST).grid
    assert (grid.zone, grid.signal, len(grid.hourly)) == ("our plant", "marginal", 24)  # type: ignore[union-attr]
    assert grid.factor.value == pytest.approx(215.0, rel=1e-12)  # type: ignore[union-attr]
    assert grid.hourly["2025-01-01T03"] == pytest.approx(130.0)  # type: ignore[union-attr]
    assert "carbon.csv" in grid.factor.source  # type: ignore[union-attr]
    assert "mean of 2025-01-01T00:00Z to 2025-01-02T00:00Z" in grid.factor.source  # type: ignore[union-attr]


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "carbon_electricitymaps"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared hourly series are not here")
def test_a_published_series_has_its_published_mean() -> None:
    """Life-cycle mean of 2023 as its README says: Norway 34, Spain 160 g/kWh."""
    for zone, mean in (("NO", 34), ("ES", 160)):
        spec = GridSpec(series=f"{zone}_2023_hourly.csv.gz")
        grid = site_of(Deploy(grid=spec), SHARED, HOST).grid
        assert (grid.zone, round(grid.factor.value), len(grid.hourly)) == (zone, mean, 8760)  # type: ignore[union-attr]


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "impact.md").read_text("utf-8")


def test_the_page_names_every_declaration_and_its_example_is_one(tmp_path: Path) -> None:
    block = re.search(r"```yaml\n(.*?)```", PAGE, re.S)
    assert block
    whole = "\n".join(f"{key}: {value}" for key, value in SMALL.items() if key not in ("model", "data"))
    path = job(tmp_path, f"model: {{builtin: digits-cnn}}\ndata: {{builtin: digits}}\n{whole}\n{block[1]}")
    assert read_job(path).deploy.grid.zone == "NO"
    declared = {f"{section}.{key}" for section, model in SECTIONS.items() for key in model.model_fields}
    assert set(re.findall(r"^\| `(\w+\.(?!csv)\w+)` \|", PAGE, re.M)) == declared


def test_the_page_counts_the_rows_of_every_table() -> None:
    folder = resources.files("paredown.impact").joinpath("tables")
    said = dict(re.findall(r"^\| `(\w+\.csv)` \| (\d+) ", PAGE, re.M))
    counted = {
        path.name: str(sum(not line.startswith("#") for line in path.read_text("utf-8").splitlines()) - 1)
        for path in folder.iterdir()
        if path.name.startswith(("grid_", "cloud_"))
    }
    assert said == counted
