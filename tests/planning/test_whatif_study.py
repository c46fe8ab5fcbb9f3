"""A real result.json on other machines, and machines in whole numbers against arithmetic by hand."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paredown.core.errors import BadDocument, UnknownName, UsageError
from paredown.core.reading import How, Missing, Reading
from paredown.planning.whatif import HERE, MONTH_S, Answer, Asked, Row, elsewhere

RESULT = json.loads((Path(__file__).parents[1] / "report" / "digits.json").read_text())
DEPLOY = """
job:
  deploy:
    volume: 2e6 / month for 12 months
    grid: {factor: 100 g/kWh, pue: 1.2}
    machine: {cpu: this, price: 0.045 EUR/h, embodied: 1000 kg, life: 4 years, utilization: 30 %}
    prices: {carbon: 90 EUR/t}
"""


def study(folder: Path, lock: str = "", **changes: Any) -> Path:
    """A finished study of which result.json is left, and the lock of its job."""
    (folder / "result.json").write_text(json.dumps(RESULT | changes))
    if lock:
        (folder / "job.lock.yaml").write_text(lock)
    return folder


def row(answer: Answer, name: str) -> Row:
    return next(row for row in answer.rows if row.name == name)


def value(one: Row, name: str, side: str = "model") -> float:
    found = one.sides[side][name]
    assert isinstance(found, Reading), found
    return found.value


def test_the_first_row_is_what_was_measured_and_the_others_go_by_energy(tmp_path: Path) -> None:
    answer = elsewhere(study(tmp_path), Asked())
    assert answer.rows[0].name == HERE
    assert value(answer.rows[0], "energy") == RESULT["chosen"]["readings"]["energy"]["value"]
    assert value(answer.rows[0], "latency_p50", "given") == RESULT["baseline"]["readings"]["latency_p50"]["value"]
    orders = [one.order() for one in answer.rows[1:]]
    assert orders == sorted(orders)
    assert math.inf in orders
    assert answer.rate is None
    assert answer.recipe == RESULT["chosen"]["recipe"]


def test_the_chip_that_it_was_measured_on_gives_the_measured_figures_inside_its_interval(tmp_path: Path) -> None:
    answer = elsewhere(study(tmp_path), Asked(names=("c7a.large", "c3d-standard-4")))
    for one, side in itertools.product(answer.rows[1:], ("given", "model")):
        for name in ("cpu_time", "latency_p50", "energy"):
            found = one.sides[side][name]
            assert isinstance(found, Reading)
            assert found.how == How.MODELLED
            assert found.low <= value(answer.rows[0], name, side) <= found.high


@pytest.mark.parametrize("rate", [0.01, 1.0, 300.0, 9e3, 4e4, 1e6, 7.3e7])
@pytest.mark.parametrize("name", ["c6g.large", "c6g.8xlarge", "raspberry-pi-4"])
def test_machines_are_the_fewest_that_are_not_busier_than_asked(tmp_path: Path, rate: float, name: str) -> None:
    one = row(elsewhere(study(tmp_path), Asked(names=(name,), rate=rate, utilization=0.6)), name)
    of_one = value(one, "throughput")
    fewest = next(count for count in itertools.count(1) if count * of_one * 0.6 >= rate * (1 - 1e-9)) if rate < 1e6 else None
    assert value(one, "machines") == (fewest or math.ceil(rate / (of_one * 0.6) * (1 - 1e-9)))
    found = one.sides["model"]["machines"]
    assert found.low <= found.value <= found.high


def test_twice_the_cores_of_a_chip_are_half_the_machines(tmp_path: Path) -> None:
    answer = elsewhere(study(tmp_path), Asked(names=("c6g.large", "c6g.8xlarge"), rate=5e7))
    small, large = row(answer, "c6g.large"), row(answer, "c6g.8xlarge")
    assert value(small, "machines") / value(large, "machines") == pytest.approx(16, rel=0.02)
    assert value(small, "energy") == value(large, "energy")
    assert value(small, "whole_energy") == pytest.approx(value(large, "whole_energy"), rel=0.01)


def test_idle_falls_with_the_rate_until_another_machine_is_needed(tmp_path: Path) -> None:
    """E(rate) = P_idle x machines / rate + E_dynamic, from the watts and cores as the tables have them."""
    idle_w = 0.4742621527777778
    for rate in (1.0, 10.0, 1e3, 1e5):
        one = row(elsewhere(study(tmp_path), Asked(names=("c6g.large",), rate=rate)), "c6g.large")
        waiting = idle_w * 2 * value(one, "machines") / rate
        assert value(one, "idle_energy") == pytest.approx(waiting)
        assert value(one, "whole_energy") == pytest.approx(value(one, "energy") + waiting)
        assert value(one, "month_energy") == pytest.approx(value(one, "whole_energy") * rate * MONTH_S)


def test_a_faster_model_saves_little_until_machines_fall_away(tmp_path: Path) -> None:
    def saved(rate: float) -> tuple[float, float]:
        one = row(elsewhere(study(tmp_path), Asked(names=("c6g.large",), rate=rate)), "c6g.large")
        return value(one, "whole_energy") / value(one, "whole_energy", "given"), value(one, "machines", "given") / value(one, "machines")

    (idle_left, same), (busy_left, fewer) = saved(1.0), saved(1e5)
    assert (same, idle_left > 0.99) == (1.0, True)
    assert fewer > 5
    assert busy_left < 0.2


def test_money_is_machines_times_hours(tmp_path: Path) -> None:
    one = row(elsewhere(study(tmp_path), Asked(names=("c6g.large",), rate=1e5)), "c6g.large")
    assert one.currency == "USD"
    assert value(one, "month_cost") == pytest.approx(value(one, "machines") * 0.068 * MONTH_S / 3600)
    other = row(elsewhere(study(tmp_path), Asked(names=("raspberry-pi-4",), rate=1.0, price=(0.01, "EUR"))), "raspberry-pi-4")
    assert (other.currency, value(other, "month_cost")) == ("EUR", pytest.approx(0.01 * MONTH_S / 3600))
    unpriced = row(elsewhere(study(tmp_path), Asked(names=("n1-standard-2",), rate=1.0)), "n1-standard-2")
    assert unpriced.sides["model"]["month_cost"] == Missing(quantity="cost", reason="no price is declared")


def test_the_job_gives_rate_place_and_life(tmp_path: Path) -> None:
    answer = elsewhere(study(tmp_path, DEPLOY), Asked(names=("c6g.large", "c6a.large")))
    assert answer.rate == pytest.approx(2e6 / MONTH_S)
    assert answer.utilization == 0.3
    one = row(answer, "c6g.large")
    assert value(one, "carbon") == pytest.approx(value(one, "whole_energy") / 3.6e6 * 100 * 1.2)
    # the share of that server, over the life that the job declares
    held_s = value(one, "machines") / answer.rate
    assert value(one, "embodied_carbon") == pytest.approx(36.1e3 * held_s / (4 * 365 * 86400))
    # list prices are in dollars, the job's carbon price in euros: they do not add up, so the carbon price is left out
    assert one.currency == "USD"
    priced = row(elsewhere(tmp_path, Asked(names=("c6g.large",), price=(0.07, "EUR"))), "c6g.large")
    rent = 0.07 * MONTH_S / 3600
    assert value(priced, "month_cost") == pytest.approx(rent + value(priced, "carbon") * 2e6 / 1e6 * 90)
    lacking = row(answer, "c6a.large").sides["model"]["embodied_carbon"]
    assert lacking == Missing(quantity="embodied_carbon", reason="no embodied carbon of c6a.large could be cited")
    assert elsewhere(tmp_path, Asked(rate=5.0, utilization=0.5)).utilization == 0.5


def test_data_are_moved_to_a_server_and_not_to_the_device(tmp_path: Path) -> None:
    asked = Asked(names=("c6g.large", "raspberry-pi-4"), rate=10.0, payload_b=12e3, transfer_j_per_b=2e-4)
    answer = elsewhere(study(tmp_path), asked)
    far, near = row(answer, "c6g.large"), row(answer, "raspberry-pi-4")
    assert value(far, "data_energy") == pytest.approx(2.4)
    assert value(far, "whole_energy") == pytest.approx(2.4 + value(far, "energy") + value(far, "idle_energy"))
    assert isinstance(near.sides["model"]["data_energy"], Missing)
    assert value(near, "whole_energy") == pytest.approx(value(near, "energy") + value(near, "idle_energy"))


def test_an_accelerator_has_a_floor_of_launches_idle_and_rent(tmp_path: Path) -> None:
    one = row(elsewhere(study(tmp_path), Asked(names=("g4dn.xlarge",), rate=1e6, utilization=0.5)), "g4dn.xlarge")
    least = one.floor["model"]
    layers = len(RESULT["why"]["layers"]["chosen"]["layers"])
    assert least["latency_s"] == pytest.approx(layers * 3.4e-6)
    assert least["machines"] == math.ceil(1e6 * layers * 3.4e-6 / 0.5)
    assert least["month_energy_j"] == pytest.approx(8.1 * least["machines"] * MONTH_S)
    assert least["month_cost"] == pytest.approx(0.526 * least["machines"] * MONTH_S / 3600)
    assert isinstance(one.sides["model"]["whole_energy"], Missing)


def test_without_a_release_the_nearest_miss_stands_for_it(tmp_path: Path) -> None:
    nearest = RESULT["chosen"] | {"recipe": "distill() @ onnxruntime(threads=1)"}
    answer = elsewhere(study(tmp_path, chosen=None, nearest=nearest, verdict="infeasible"), Asked())
    assert answer.recipe == "distill() @ onnxruntime(threads=1)"
    assert answer.notes[1] == "nothing was released (verdict: infeasible); the nearest miss stands for it."
    answer = elsewhere(study(tmp_path, chosen=None, nearest=None, verdict="infeasible"), Asked())
    assert "nothing came near; the model as given stands alone" in answer.notes[1]
    assert answer.rows[1].sides["given"] == answer.rows[1].sides["model"]


def test_a_result_without_multiply_adds_says_so_everywhere(tmp_path: Path) -> None:
    readings = {name: item for name, item in RESULT["chosen"]["readings"].items() if name != "multiply_adds"}
    answer = elsewhere(study(tmp_path, chosen=RESULT["chosen"] | {"readings": readings}), Asked(rate=1.0))
    reason = "no multiply adds of it is known: it is not in result.json"
    assert answer.notes[-1] == f"the model cannot be carried elsewhere: {reason}."
    assert all(one.sides["model"]["energy"] == Missing(quantity="cpu_time", reason=reason) for one in answer.rows)
    assert value(row(answer, "c6g.large"), "energy", "given") > 0


def test_an_unknown_machine_study_and_a_broken_lock(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no machine 'c5\.larg'\. Did you mean 'c5\.large'\?"):
        elsewhere(study(tmp_path), Asked(names=("c5.larg",)))
    with pytest.raises(UsageError, match=r"none does not exist"):
        elsewhere(tmp_path / "none", Asked())
    with pytest.raises(BadDocument, match=r"job\.lock\.yaml:\d+: job\.deploy\.volume is 'often'"):
        elsewhere(study(tmp_path, DEPLOY.replace("2e6 / month for 12 months", "often")), Asked())


def test_a_machine_like_none_is_missing_with_the_reason(tmp_path: Path) -> None:
    model = RESULT["energy_model"] | {"name": "unknown"}
    answer = elsewhere(study(tmp_path, energy_model=model, host=RESULT["host"] | {"isa": "generic"}), Asked(names=("c6g.large",)))
    without, *notes = answer.notes
    assert without.startswith("result.json is not covered by evidence: ")
    assert notes == ["the machine of the study (unknown, class generic) is like none of the catalogue."]
    assert isinstance(answer.rows[1].sides["model"]["energy"], Missing)
    assert value(answer.rows[0], "energy") > 0


def test_json_holds_every_figure(tmp_path: Path) -> None:
    answer = elsewhere(study(tmp_path), Asked(names=("c6g.large",), rate=1.0))
    found = json.loads(json.dumps(answer.json()))
    assert [one["name"] for one in found["machines"]] == [HERE, "c6g.large"]
    assert found["machines"][1]["model"]["energy"]["how"] == "modelled"
    assert found["machines"][1]["source"].startswith("aws.amazon.com")
    assert found["efficiency"]["model"] == pytest.approx(replace(answer).efficiency["model"])
