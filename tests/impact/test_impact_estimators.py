"""The machines are /proc/cpuinfo texts that real ones printed, see cpuinfo/INDEX.csv; bands are written here in watts per busy vCPU."""

from __future__ import annotations

import csv
import importlib.util
import math
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.reading import How
from paredown.core.runtime import Host
from paredown.ground.host import host
from paredown.impact.energy import MODEL_TERM, Curve, active_energies, active_energy, boundary, cpu_curve, idle_energy
from paredown.impact.estimators import Span, estimates

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = ROOT.parent / "shared/data/ccf_coefficients/data/SPECpower-full-results.csv"
ALL = ("vcpu_curve", "tdp_share", "load_profile")
ONE = ("vcpu_curve",)
TWO = ("vcpu_curve", "tdp_share")

# fixture -> microarchitecture, the estimators that apply, low, value and high of the energy of one CPU second in J
MACHINES: dict[str, tuple[str, tuple[str, ...], tuple[float, float, float]]] = {
    "skylake-azure": ("Skylake", ALL, (1.9, 3.5, 9.8)),
    "cascade-lake-azure": ("Cascade Lake", ALL, (1.8, 3.3, 9.8)),
    "ice-lake-azure": ("Ice Lake", ALL, (1.7, 3.4, 9.0)),
    "sapphire-rapids-metal": ("Sapphire Rapids", ALL, (1.7, 3.4, 8.4)),
    "granite-rapids-metal": ("Granite Rapids", ALL, (1.5, 3.4, 6.0)),
    "masked-colab": ("Broadwell", ALL, (1.9, 3.0, 9.3)),
    "masked-lambda": ("Ivy Bridge", ALL, (2.0, 5.2, 12.5)),
    "unmasked-ivy-bridge-aws": ("Ivy Bridge", ALL, (2.0, 5.2, 12.5)),
    "rome-aws": ("EPYC 2nd Gen", ALL, (0.86, 1.2, 5.4)),
    "milan-metal": ("EPYC 3rd Gen", ALL, (0.93, 1.5, 5.4)),
    "bergamo-vm": ("EPYC 4th Gen", ALL, (0.86, 1.4, 4.3)),
    "masked-genoa-kvm": ("EPYC 4th Gen", ALL, (0.86, 1.4, 4.3)),
    "unmasked-genoa-metal": ("EPYC 4th Gen", ALL, (0.86, 1.4, 4.3)),
    "turin-kvm": ("EPYC 5th Gen", ALL, (0.86, 1.4, 4.8)),
    "graviton": ("Cortex-A72", ONE, (0.94, 1.2, 4.9)),
    "graviton2": ("Neoverse N1", TWO, (0.94, 1.2, 7.2)),
    "graviton3": ("Neoverse V1", TWO, (0.94, 1.2, 7.2)),
    "qemu-intel": ("unknown", ALL, (0.86, 2.5, 13.7)),
    "qemu-amd": ("unknown", ALL, (0.86, 2.5, 13.7)),
    "laptop-tiger-lake": ("unknown", ALL, (0.86, 2.5, 13.7)),
    "raspberry-pi-4-32-bit": ("unknown", ALL, (0.86, 2.5, 13.7)),
    "raspberry-pi-5": ("unknown", ALL, (0.86, 2.5, 13.7)),
}


def recorded(name: str, root: Path) -> Host:
    (root / "proc").mkdir(parents=True, exist_ok=True)
    (root / "proc/cpuinfo").write_text((HERE / "cpuinfo" / f"{name}.txt").read_text("utf-8"))
    return host(root)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")))


def test_every_recorded_machine_says_where_it_is_from_and_has_a_stated_band() -> None:
    index = rows(HERE / "cpuinfo/INDEX.csv")
    recordings = {path.stem for path in (HERE / "cpuinfo").glob("*.txt")}
    assert {row["fixture"] for row in index} == recordings == set(MACHINES)
    assert all(row["machine"] and row["source"] for row in index)


@pytest.mark.parametrize("name", MACHINES)
def test_a_recorded_machine_gets_its_microarchitecture_its_estimators_and_its_band(name: str, tmp_path: Path) -> None:
    microarchitecture, apply, band = MACHINES[name]
    curve = cpu_curve(recorded(name, tmp_path))
    energy = active_energy(curve, 1.0)
    assert curve.name == microarchitecture
    assert tuple(estimate.name for estimate in curve.estimates) == apply
    assert (energy.low, energy.value, energy.high) == pytest.approx(band, rel=0.03)


@pytest.mark.parametrize("name", MACHINES)
def test_a_band_is_what_a_thread_can_draw(name: str, tmp_path: Path) -> None:
    curve = cpu_curve(recorded(name, tmp_path))
    energy = active_energy(curve, 1.0)
    assert energy.low is not None
    assert energy.high is not None
    assert 0.3 < energy.low < energy.value < energy.high < 15
    for estimate in curve.estimates:
        assert 0 < estimate.active_w.low <= estimate.active_w.value <= estimate.active_w.high
        assert 0 < estimate.idle_w.low <= estimate.idle_w.value <= estimate.idle_w.high < estimate.active_w.high


@pytest.mark.parametrize(("masked", "shown"), [("masked-lambda", "unmasked-ivy-bridge-aws"), ("masked-genoa-kvm", "unmasked-genoa-metal")])
def test_a_masked_brand_gets_the_band_of_the_unmasked_one(masked: str, shown: str, tmp_path: Path) -> None:
    hidden, plain = recorded(masked, tmp_path / "hidden"), recorded(shown, tmp_path / "plain")
    assert hidden.cpu["brand"] != plain.cpu["brand"]
    assert cpu_curve(hidden) == cpu_curve(plain)


def test_a_family_newer_than_one_table_keeps_its_own_row_in_another(tmp_path: Path) -> None:
    notes = {estimate.name: estimate.note for estimate in estimates(recorded("granite-rapids-metal", tmp_path))}
    assert notes == {
        "vcpu_curve": "Granite Rapids is newer than the table: band of Skylake and Cascade Lake",
        "tdp_share": "Granite Rapids, its own row",
        "load_profile": "Granite Rapids is newer than the table: band of Cooper Lake and Ice Lake",
    }


def test_the_value_is_the_vcpu_curves_and_the_interval_holds_all(tmp_path: Path) -> None:
    curve = cpu_curve(recorded("milan-metal", tmp_path))
    parts = {estimate.name: estimate.active_w for estimate in curve.estimates}
    assert curve.active_w.value == parts["vcpu_curve"].value
    assert (curve.active_w.low, curve.active_w.high) == (parts["load_profile"].low, parts["tdp_share"].high)
    assert curve.spread == pytest.approx(parts["tdp_share"].high / parts["load_profile"].low)
    assert curve.idle_w.low == min(estimate.idle_w.low for estimate in curve.estimates)


def test_each_estimator_gives_its_own_energy_inside_the_whole_interval(tmp_path: Path) -> None:
    curve = cpu_curve(recorded("turin-kvm", tmp_path))
    whole, parts = active_energy(curve, 3.0), active_energies(curve, 3.0)
    assert tuple(parts) == ALL
    assert whole.low == min(part.low for part in parts.values() if part.low is not None)
    assert whole.high == max(part.high for part in parts.values() if part.high is not None)
    share = curve.estimates[1]
    assert parts["tdp_share"].value == pytest.approx(3.0 * share.active_w.value)
    assert parts["tdp_share"].high == pytest.approx(3.0 * share.active_w.high * (1 + MODEL_TERM))
    assert {(part.quantity, part.unit, part.how, part.covers) for part in parts.values()} == {("energy", "J", How.ESTIMATED, ("cpu",))}
    assert parts["tdp_share"].source == f"{share.source}; EPYC 5th Gen, its own row"
    assert whole.source.endswith("per busy vCPU, vcpu_curve 1.1 to 1.6 W, tdp_share 1.1 to 4.2 W, load_profile 1.0 to 2.3 W")
    assert "per idle vCPU, vcpu_curve 0.45 to 0.47 W" in idle_energy(curve, vcpus=2, wall_s=3.0).source


@pytest.mark.parametrize(
    ("virtual", "text"), [(True, "this virtual machine above idle"), (False, "this machine above"), (None, "this machine")]
)
def test_the_boundary_says_which_machine_and_what_is_not_in_it(virtual: bool | None, text: str) -> None:
    said = boundary(Host(cores=1, isa="", cpu={}, memory_b=1, system="linux", virtual=virtual))
    assert text in said
    assert said.endswith("memory, disks, network and cooling are not in it")


def test_a_share_of_the_tdp_is_that_of_one_thread_at_the_load_curve_of_teads(tmp_path: Path) -> None:
    """EPYC 7763: 280 W, 128 threads; EPYC 7713: 225 W, 128; 7643: 225 W, 96. Curve: 0.12, 0.32, 0.75, 1.02 at 0, 10, 50, 100 %."""
    share = estimates(recorded("milan-metal", tmp_path))[1]
    assert share.active_w.high == pytest.approx(225 / 96 * (0.32 - 0.12) / 0.1)
    assert share.active_w.low == pytest.approx(225 / 128 * (1.02 - 0.12))
    assert share.idle_w.high == pytest.approx(0.12 * 225 / 96)
    half = (0.75 - 0.12) / 0.5
    assert 225 / 128 * half < share.active_w.value < 280 / 128 * half


def test_chips_of_one_microarchitecture_have_about_as_many_threads_as_its_largest() -> None:
    table = Path(str(resources.files("paredown.impact").joinpath("tables", "cpu_tdp.csv")))
    threads: dict[str, list[int]] = {}
    for row in rows(table):
        threads.setdefault(row["microarchitecture"], []).append(int(row["threads"]))
        assert 1 < float(row["tdp_w"]) / int(row["threads"]) < 10, row
    dense = {"EPYC 4th Gen", "EPYC 5th Gen", "Neoverse N1"}  # two kinds of silicon each
    assert all(min(found) >= (0.5 if name in dense else 0.75) * max(found) for name, found in threads.items())


def fitting() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_profiles", ROOT / "scripts/fit_profiles.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(b=st.one_of(st.floats(-0.95, -0.05), st.floats(0.05, 50.0)))
def test_the_bend_of_a_profile_is_found_again_from_its_mean(b: float) -> None:
    levels = [level / 10 for level in range(1, 11)]
    mean = sum(math.log(1 + b * load) / math.log(1 + b) for load in levels) / 10
    assert fitting().bend(mean) == pytest.approx(b, rel=1e-6)


SUPERMICRO = {
    "CPU Description": "Intel Xeon Platinum 8380", "Chips": "2", "Total Threads": "160", "ssj_ops @ 100%": "8,769,122",
    "avg. watts @ 100%": "622", "avg. watts @ active idle": "101", "Result (Overall ssj_ops/watt)": "13,544",
}  # fmt: skip


def test_a_profile_gives_back_idle_full_load_and_score_of_a_published_result() -> None:
    """Supermicro SYS-620C-TN12R, two Xeon Platinum 8380, SPECpower_ssj2008, July 2021."""
    found = fitting().figures(SUPERMICRO)
    b = fitting().bend(found["shape"])
    a = (found["full_w"] - found["idle_w"]) / math.log1p(b)

    def watts(load: float) -> float:
        return 160 * (a * math.log(1 + b * load) + found["idle_w"])

    assert (watts(0.0), watts(1.0)) == pytest.approx((101, 622))
    operations = [8_769_122 * level / 10 for level in range(11)]
    assert sum(operations) / sum(watts(level / 10) for level in range(11)) == pytest.approx(13_544)


IBM = {
    "CPU Description": "Intel Xeon X5675", "Chips": "2", "Total Threads": "24", "ssj_ops @ 100%": "890651",
    "avg. watts @ 100%": "222", "avg. watts @ active idle": "58.4", "Result (Overall ssj_ops/watt)": "3093",
}  # fmt: skip
IBM_LEVELS_W = (98, 109, 118, 128, 140, 153, 170, 189, 205, 222)


def test_a_profile_comes_near_the_levels_that_it_was_not_shown_and_misses_the_jump_out_of_idle() -> None:
    """IBM x3550 M3, all levels: spec.org/power_ssj2008/results/res2011q2/power_ssj2008-20110406-00368.html."""
    found = fitting().figures(IBM)
    b = fitting().bend(found["shape"])
    a = (found["full_w"] - found["idle_w"]) / math.log1p(b)
    off = [24 * (a * math.log1p(b * (1 + at) / 10) + found["idle_w"]) / measured - 1 for at, measured in enumerate(IBM_LEVELS_W)]
    assert off[0] == pytest.approx(-0.21, abs=0.02)
    assert off[1] == pytest.approx(-0.12, abs=0.02)
    assert max(abs(share) for share in off[2:]) < 0.07


def test_a_result_that_is_not_compliant_is_left_out() -> None:
    assert fitting().figures(SUPERMICRO | {"avg. watts @ 100%": "NC"}) is None


def test_the_committed_profiles_are_what_the_script_makes_of_the_published_results(tmp_path: Path, monkeypatch: Any) -> None:
    if not RESULTS.exists():
        pytest.skip(f"{RESULTS.name} is not here; it comes with the shared data")
    script = fitting()
    committed = rows(script.TABLE)
    monkeypatch.setattr(script, "TABLE", tmp_path / "profiles.csv")
    monkeypatch.setattr("sys.argv", ["fit_profiles.py", str(RESULTS)])
    script.main()
    assert rows(tmp_path / "profiles.csv") == committed


def test_a_curve_without_estimates_is_its_own_span() -> None:
    flat = Span(value=2.0, low=1.0, high=3.0)
    curve = Curve(name="flat", idle_w=flat, active_w=flat, source="s", note="n")
    assert active_energies(curve, 1.0) == {}
    assert curve.spread == 3.0
