"""From one machine to another: closed forms, bounds, and a real study predicted from itself."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paredown.core.reading import How, Missing, Reading
from paredown.impact.estimators import Span
from paredown.impact.machines import Machine, machine, machines
from paredown.impact.whatif import (
    KERNEL_S,
    OTHER_CHIP,
    SAME_CHIP,
    Work,
    efficiency,
    forecast,
    measured_on,
    precisions_of,
    scale,
    width,
    work_of,
)

STUDY = json.loads((Path(__file__).parents[1] / "report" / "digits.json").read_text())
NONE_OPEN = Span(value=0.0, low=0.0, high=0.0)


def measured(quantity: str, value: float, spread: float = 0.0) -> Reading:
    return Reading(quantity=quantity, value=value, low=value * (1 - spread), high=value * (1 + spread), how=How.MEASURED)


def work(**changes: Any) -> Work:
    """A model of 1 ms and 10 M multiply-adds that fits every cache."""
    given: dict[str, Any] = {
        "cpu_time": measured("cpu_time", 1e-3),
        "latency": measured("latency_p50", 1e-3),
        "throughput": measured("throughput", 1e3),
        "energy": measured("energy", 1e-3),
        "threads": 1,
        "precisions": ("fp32",),
        "multiply_adds": 1e7,
        "weights_b": 1e5,
    }
    return Work(**given | changes)


def like(name: str, **changes: Any) -> Machine:
    return replace(machine("c6i.large"), name=name, **changes)


def ends(found: Reading | Missing) -> tuple[float, float, float]:
    assert isinstance(found, Reading)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    return found.low, found.value, found.high


def test_the_same_machine_gives_what_was_measured() -> None:
    here = machine("c6i.large")
    asked = work(cpu_time=measured("cpu_time", 1e-3, 0.1))
    found = forecast(asked, [here], here)
    assert ends(found.cpu_time) == pytest.approx((0.9e-3, 1e-3, 1.1e-3))
    assert found.cpu_time.how == How.MODELLED
    watts = here.curve().active_w
    assert ends(found.energy) == pytest.approx((0.9e-3 * watts.low * 0.85, 1e-3 * watts.value, 1.1e-3 * watts.high * 1.15))


def test_more_cores_of_a_chip_change_no_inference() -> None:
    small, large = (forecast(work(), [machine("c6i.large")], machine(name)) for name in ("c6i.large", "c6i.8xlarge"))
    assert large.cpu_time.value == small.cpu_time.value
    assert large.energy.value == small.energy.value


def test_time_is_split_between_the_clock_and_the_peak() -> None:
    here = machine("c6i.large")
    there = like("wider", clock_hz=2 * here.clock_hz, peak={"fp32": 8 * here.peak["fp32"]})
    known = scale(work(overhead=Span(value=0.25, low=0.25, high=0.25)), here, there)
    assert known.value == pytest.approx(0.25 / 2 + 0.75 * math.sqrt(1 / 2 * 1 / 8))
    assert (known.low, known.high) == pytest.approx(((0.25 / 2 + 0.75 / 8) / SAME_CHIP, 1 / 2 * SAME_CHIP))
    free = scale(work(), here, there)
    assert (free.low, free.high) == pytest.approx((1 / 8 / SAME_CHIP, 1 / 2 * SAME_CHIP))
    assert scale(work(overhead=Span(value=1.0, low=1.0, high=1.0)), here, there).value == pytest.approx(1 / 2)


def test_int8_without_its_instructions_is_slower_than_the_clock_says() -> None:
    vnni, plain = machine("c6i.large"), machine("c5.large")
    asked = work(precisions=("int8",), overhead=NONE_OPEN)
    clock = vnni.clock_hz / plain.clock_hz
    assert scale(asked, vnni, plain).value > 1.5 * clock
    assert scale(work(overhead=NONE_OPEN), vnni, plain).value == pytest.approx(clock)


@pytest.mark.parametrize("change", ["clock_hz", "peak", "memory_b_per_s"])
def test_a_better_machine_is_never_slower(change: str) -> None:
    here = machine("c6i.large")
    large = work(weights_b=1e9)
    before: Span | None = None
    for factor in (0.5, 1.0, 2.0, 4.0, 8.0):
        value = getattr(here, change)
        better = {name: peak * factor for name, peak in value.items()} if change == "peak" else value * factor
        found = scale(large, here, like("other", **{change: better}))
        assert found.low <= found.value <= found.high
        if before is not None:
            assert (found.value <= before.value, found.low <= before.low, found.high <= before.high) == (True, True, True)
        before = found


def test_weights_that_leave_the_cache_come_from_memory() -> None:
    here = machine("c6i.large")
    there = like("small cache", cache_b=1e6, memory_b_per_s=10e9, memory_shared_by=10)
    asked = work(weights_b=2e6)
    dry, wet = scale(replace(asked, weights_b=5e5), here, there), scale(asked, here, there)
    best_s, worst_s = 2e6 / 10e9, 2e6 / 1e9
    assert wet.high == pytest.approx(dry.high + worst_s / 1e-3)
    assert wet.low == pytest.approx(max(dry.low, best_s / 1e-3))
    in_neither = scale(work(weights_b=1e9), here, like("slow memory", memory_b_per_s=here.memory_b_per_s / 5))
    assert in_neither.high == pytest.approx(5 * SAME_CHIP)


def test_the_interval_widens_with_every_difference() -> None:
    here, asked = machine("c6i.large"), work()
    steps = [
        like("same chip"),
        like("other chip", chip="another"),
        like("other class", chip="another", isa="avx2"),
        like("other architecture", chip="another", isa="arm_dotprod"),
    ]
    found = [scale(asked, here, there) for there in steps]
    ratios = [one.high / one.low for one in found]
    assert ratios == sorted(ratios)
    assert len({round(ratio, 6) for ratio in ratios}) == 4
    assert [one.value for one in found] == pytest.approx([1.0] * 4)
    assert width(here, steps[1]) == pytest.approx(OTHER_CHIP)


def test_a_thread_may_have_half_a_core_or_the_whole() -> None:
    thread, core = machine("c6i.large"), like("cores", threads_per_core=1)
    there, back = scale(work(), thread, core), scale(work(), core, thread)
    assert (there.low, there.value, there.high) == pytest.approx((0.5 / SAME_CHIP, math.sqrt(0.5), SAME_CHIP))
    assert (back.low, back.value, back.high) == pytest.approx((1 / SAME_CHIP, math.sqrt(2), 2 * SAME_CHIP))


def test_more_threads_than_cores_wait_for_each_other() -> None:
    here = like("big", cores=8)
    found = forecast(work(threads=8), [here], like("pair", cores=2))
    assert found.threads == 2
    assert found.latency.value == pytest.approx(4e-3)
    assert found.throughput.value == pytest.approx(1e3 / 4)
    assert found.cpu_time.value == pytest.approx(1e-3)


def test_rows_that_may_all_be_the_machine_widen_the_interval() -> None:
    fast, slow, there = like("fast", clock_hz=4e9), like("slow", clock_hz=2e9), like("there", clock_hz=2e9)
    both = forecast(work(), [fast, slow], there).cpu_time
    alone = [forecast(work(), [one], there).cpu_time for one in (fast, slow)]
    assert ends(both) == pytest.approx(
        (min(one.low for one in alone), math.sqrt(alone[0].value * alone[1].value), max(one.high for one in alone))
    )


def test_of_an_accelerator_only_a_floor_is_known() -> None:
    found = forecast(work(kernels=20), [machine("c6i.large")], machine("g4dn.xlarge"))
    assert found.floor_s == pytest.approx(20 * KERNEL_S[0])
    assert isinstance(found.energy, Missing)
    assert found.energy.reason.startswith("at least 68 us: 20 kernels take 68 us to 0.19 ms to launch")
    assert "not modelled" in found.energy.reason
    large = forecast(work(multiply_adds=81e9), [machine("c6i.large")], machine("g4dn.xlarge"))
    assert large.floor_s == pytest.approx(2 * 81e9 / 8.1e12)
    many = forecast(work(multiply_adds=81e9, batch=32), [machine("c6i.large")], machine("g4dn.xlarge"))
    assert many.floor_s == pytest.approx(32 * large.floor_s)
    read = forecast(work(weights_b=320e6), [machine("c6i.large")], machine("g4dn.xlarge"))
    assert read.floor_s == pytest.approx(1e-3)


def test_without_a_row_for_the_machine_nothing_is_carried() -> None:
    found = forecast(work(), [], machine("c6i.large"))
    assert found.cpu_time == Missing(quantity="cpu_time", reason="the machine it was measured on is like none of the catalogue")


def test_the_machine_of_a_study_is_told_by_its_chip_then_by_its_class() -> None:
    rows, why = measured_on({"energy_model": {"name": "EPYC 3rd Gen"}, "host": {"isa": "avx2"}})
    assert [row.name for row in rows] == ["c6a.large"]
    assert why == "measured on EPYC 3rd Gen; stands for it: c6a.large"
    rows, why = measured_on({"energy_model": {"name": "unknown"}, "host": {"isa": "amx"}})
    assert {row.isa for row in rows} == {"amx"}
    assert "which is not in the catalogue; its class amx stands for it: c7i.large, c8i.large" in why
    rows, why = measured_on({"host": {"isa": "avx_vnni"}})
    assert (rows, why) == ((), "the machine of the study (unknown, class avx_vnni) is like none of the catalogue")


def test_precisions_are_those_of_the_parts() -> None:
    assert precisions_of("as_given @ torch(threads=2)") == ("fp32",)
    assert precisions_of("distill() > quantize_static() @ onnxruntime(threads=1)") == ("int8",)
    both = "cascade(distill() @ onnxruntime(threads=1), quantize_static() @ onnxruntime(threads=1), at=0.9)"
    assert precisions_of(both) == ("fp32", "int8")


def test_a_study_says_what_was_measured_and_how_near_the_peak() -> None:
    found = work_of(STUDY["chosen"], STUDY)
    assert isinstance(found, Work)
    assert (found.cpu_time.value, found.multiply_adds, found.weights_b, found.precisions) == (1.707774e-05, 115360, 4 * 3778, ("fp32",))
    # five fp32 trials on one engine lie near a line that does not start at 0
    assert 0.5 < found.overhead.low <= found.overhead.value <= found.overhead.high <= 1.0
    assert work_of(STUDY["baseline"], STUDY).overhead == Span(value=0.5, low=0.0, high=1.0)
    assert efficiency(found, machine("c7a.large")) == pytest.approx(2 * 115360 / 1.707774e-05 / (3.7e9 * 32), rel=1e-3)


@pytest.mark.parametrize("name", ["multiply_adds", "throughput", "cpu_time"])
def test_a_result_without_a_number_gives_the_reason(name: str) -> None:
    readings = {key: item for key, item in STUDY["chosen"]["readings"].items() if key != name}
    found = work_of(STUDY["chosen"] | {"readings": readings}, STUDY)
    assert found == Missing(quantity="cpu_time", reason=f"no {name.replace('_', ' ')} of it is known: it is not in result.json")
    counted = {"missing": "it depends on how many inputs the first graph answers"}
    found = work_of(STUDY["chosen"] | {"readings": {**STUDY["chosen"]["readings"], name: counted}}, STUDY)
    assert isinstance(found, Missing)
    assert found.reason.endswith("is known: it depends on how many inputs the first graph answers")


def test_the_study_predicts_its_int8_from_its_fp32() -> None:
    """Other precision on the same machine is like another machine with other kernels and that precision's peak: the truth was measured."""
    here, _ = measured_on(STUDY)
    trials = {trial["recipe"]: trial | {"threads": 1} for trial in STUDY["trials"] if trial["state"] == "done"}
    pairs = [
        ("as_given @ onnxruntime(threads=1)", "quantize_static() @ onnxruntime(threads=1)"),
        ('distill(student="quarter") @ onnxruntime(threads=1)', 'distill(student="quarter") > quantize_static() @ onnxruntime(threads=1)'),
    ]
    for before, after in pairs:
        fp32, int8 = (work_of(trials[recipe], STUDY) for recipe in (before, after))
        assert isinstance(fp32, Work)
        assert isinstance(int8, Work)
        spans = [scale(fp32, one, replace(one, name="its int8", isa="other", peak={"fp32": one.peak["int8"]})) for one in here]
        truth = int8.cpu_time.value / fp32.cpu_time.value
        assert min(one.low for one in spans) <= truth <= max(one.high for one in spans)


def test_every_machine_of_the_catalogue_answers() -> None:
    asked = work_of(STUDY["chosen"], STUDY)
    assert isinstance(asked, Work)
    here, _ = measured_on(STUDY)
    for there in machines().values():
        found = forecast(asked, here, there)
        if found.floor_s is None:
            ends(found.cpu_time)
            ends(found.latency)
        else:
            assert isinstance(found.latency, Missing)
