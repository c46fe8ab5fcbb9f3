"""A ratio that other processes can have made is not claimed."""

from __future__ import annotations

from dataclasses import replace

from paredown.core.reading import How, Missing, Reading
from paredown.protocol.bench import Windows
from paredown.running.claims import bounded, disturbed, unexplained, withheld, without_tails

WAIT = "waiting: its threads waited for a core 40.0% of the time they wanted one; 5.0% is allowed."
STEAL = "steal: the hypervisor took 10.0% of the CPU time; 2.0% is allowed."


def ratio(value: float) -> Reading:
    return Reading(quantity="cpu_time", value=value, unit="x", how=How.MEASURED)


def windows(*reasons: list[list[str]]) -> Windows:
    """One round per entry; what stands in an entry are the reasons of each time that its window was taken."""
    raw = [{"side": "as_found", "round": number, "reasons": found} for number, times in enumerate(reasons) for found in times]
    return Windows(sides={"as_found": []}, raw=raw)


QUIET = windows([[]], [[WAIT], []], [[STEAL]])
BUSY = windows([[WAIT], [WAIT]], [[WAIT]], [[]])


def test_the_last_time_that_a_window_was_taken_counts() -> None:
    assert unexplained(QUIET, "as_found", ratio(44), ratio(20), 2) == ""
    assert disturbed(QUIET) == ""


def test_a_model_as_found_whose_threads_waited_for_cores_is_not_claimed() -> None:
    assert unexplained(BUSY, "as_found", ratio(44), ratio(20), 2) == (
        "other processes had the cores in 67% of the windows (waiting), where threads that wait for each other spin"
    )
    assert unexplained(BUSY, "as_found", ratio(20), ratio(20), 1) == ""


def test_more_than_all_cores_can_waste_is_not_claimed_whatever_the_gate_saw() -> None:
    assert unexplained(QUIET, "as_found", ratio(80), ratio(20), 2) == ""
    assert unexplained(QUIET, "as_found", ratio(2700), ratio(20), 2) == (
        "2.7e+03 times is more than 2 threads can explain where the best count takes 20 times: something else than the model made it"
    )
    assert unexplained(QUIET, "as_found", Missing(quantity="cpu_time", reason="x"), ratio(20), 2) == ""


def test_of_a_model_as_found_no_work_is_claimed_and_latency_within_what_more_threads_could_do() -> None:
    found = {
        "cpu_time": ratio(3),
        "energy": ratio(3),
        "carbon": ratio(3),
        "latency_p95": ratio(2000),
        "latency_p50": ratio(118),
        "size": ratio(1),
    }
    best = {"latency_p50": replace(ratio(6), low=5.0, high=7.0), "latency_p95": ratio(60)}
    kept = bounded(found, best, 2.0, "because")
    assert {name for name, item in kept.items() if isinstance(item, Missing)} == {"cpu_time", "energy", "carbon"}
    for name in ("latency_p95", "latency_p50"):
        held = kept[name]
        assert isinstance(held, Reading)
        assert (held.quantity, held.value, held.low, held.high, held.how) == (name, 6, 2.5, 14, How.ESTIMATED)
        assert held.source == "bounds from the thread count with the least CPU time: because"
    assert bounded(found, best, 2.0, "") == found
    assert isinstance(bounded(found, {}, 2.0, "because")["latency_p95"], Missing)
    assert {name for name, item in withheld(found, "because").items() if isinstance(item, Reading)} == {"size"}


def test_tails_that_a_load_made_are_not_claimed() -> None:
    found = {"cpu_time": ratio(3), "latency_p50": ratio(3), "latency_p95": ratio(60), "latency_p99": ratio(90)}
    assert without_tails(found, "") == found
    assert {name for name, item in without_tails(found, "because").items() if isinstance(item, Missing)} == {"latency_p95", "latency_p99"}


def test_a_measurement_that_stayed_disturbed_is_told() -> None:
    assert disturbed(BUSY).startswith("In 67% of the windows of the long measurement the model's threads waited for a core")
    assert "(waiting)" in disturbed(BUSY)
