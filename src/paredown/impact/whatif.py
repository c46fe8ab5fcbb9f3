"""What a measured model would take on another machine: the roofline, with the efficiency that was reached where it was measured.

The time of one inference is split into work that follows the clock (dispatch, the engine's own code) and work in vector kernels, which
follows something between the clock and the peak of the vectors: an engine may use none or all of a wider unit. So from one chip to another

    time' = time x (overhead x clock ratio + (1 - overhead) x sqrt(clock ratio x peak ratio))

and the interval runs over both ratios and all overheads that the study leaves open, widened by what neither explains. Efficiency, the
share of the peak that is reached, is thus carried over at best and lost to the clock at worst. Weights that fit no cache follow the
bandwidth of the memory.

Source: Williams et al. 2009, "Roofline", doi:10.1145/1498765.1498785.
Departs: a small model at batch 1 reaches a few percent of the roofline, so the measured time is scaled, not the roofline itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paredown.core.reading import How, Missing, Reading, reading_from_json
from paredown.core.recipe import Composed, Recipe, parse, steps_of
from paredown.impact.energy import MODEL_TERM, Curve
from paredown.impact.estimators import Span
from paredown.impact.machines import ACCELERATOR, PRECISIONS, Machine, machines

SAME_CHIP, OTHER_CHIP = 1.22, 1.30
"""Two servers of one family, or of any, differ by at most this factor in work per core and GHz, 19 times of 20.

From 255 SPECpower_ssj2008 results of Xeon v3 to 3rd generation and EPYC 7001 to 7003, ssj_ops at 100 % / (cores x GHz):
exp(1.96 x sqrt(2) x s), s = 0.071 within a family and 0.093 over all. Results (c) SPEC, as in cloud-carbon-coefficients, commit
dda7621f8ab2, data/SPECpower-full-results.csv.
"""
OTHER_KERNELS = 1.39
"""Where the class of instructions differs, an engine runs other kernels. The factor between onnxruntime and openvino on the same int8
graph of ResNet-20 at batch 64 and the same machine, the largest of four such pairs measured by paredown on an EPYC 9004, 2026-11."""
OTHER_ARCHITECTURE = 1.7
"""Between x86 and Arm: per GHz a Cortex-A76 does 1.7 times what a Cortex-A72 does (sysbench, zbotic.in, read 2026-11-24);
cores of different kinds differ by at least as much."""
KERNEL_S = (3.4e-6, 9.6e-6)
"""Wall time of a small kernel, in a CUDA graph and waited for one by one; the kernel itself is 2.9 us of it.

Source: A. Gray, "Getting Started with CUDA Graphs", NVIDIA technical blog, 2019, on a V100; not read again in 2026."""
UNKNOWN_OVERHEAD = Span(value=0.5, low=0.0, high=1.0)
_LEAST_POINTS = 4


@dataclass(frozen=True, kw_only=True)
class Work:
    """One inference of a model, as it was measured.

    Args:
        cpu_time: Seconds per inference.
        latency: Median seconds per call.
        throughput: Inferences per second, one after the other.
        energy: Above idle, in J; Missing where it was not known.
        threads: Of the engine.
        precisions: "fp32" or "int8", one per part of a composition.
        multiply_adds: Per inference.
        weights_b: Bytes of its weights.
        batch: Inferences per call.
        kernels: Layers that its engine told of, at least 1: no fewer kernels would be launched on an accelerator.
        overhead: Share of the time that does not grow with the multiply-adds; between 0 and 1 where the study cannot say.
    """

    cpu_time: Reading
    latency: Reading
    throughput: Reading
    energy: Reading | Missing
    threads: int
    precisions: tuple[str, ...]
    multiply_adds: float
    weights_b: float
    batch: int = 1
    kernels: int = 1
    overhead: Span = UNKNOWN_OVERHEAD


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What one inference takes on a machine.

    Args:
        machine: Where.
        cpu_time, latency, energy: Modelled, or Missing with the reason; energy is above idle, in J.
        throughput: Inferences per second of one copy of the model.
        floor_s: Wall time that a call cannot fall below on an accelerator; None elsewhere.
        threads: Cores that one copy of the model keeps.
    """

    machine: Machine
    cpu_time: Reading | Missing
    latency: Reading | Missing
    throughput: Reading | Missing
    energy: Reading | Missing
    floor_s: float | None = None
    threads: int = 1


def work_of(side: Mapping[str, Any], result: Mapping[str, Any]) -> Work | Missing:
    """What a result.json says of one model.

    Args:
        side: Its `baseline`, `chosen` or `nearest`.
        result: The whole, for the other trials and the layers.
    """
    found = {name: reading_from_json(name, item) for name, item in side["readings"].items()}
    needed = {name: found.get(name, Missing(quantity=name, reason="it is not in result.json")) for name in _NEEDED}
    for item in needed.values():
        if isinstance(item, Missing):
            return Missing(quantity="cpu_time", reason=f"no {item.quantity.replace('_', ' ')} of it is known: {item.reason}")
    cpu_time, latency, throughput, multiply_adds, parameters = (needed[name] for name in _NEEDED)
    assert isinstance(cpu_time, Reading)
    assert isinstance(latency, Reading)
    assert isinstance(throughput, Reading)
    assert isinstance(multiply_adds, Reading)
    assert isinstance(parameters, Reading)
    precisions = precisions_of(side["recipe"])
    return Work(
        cpu_time=cpu_time,
        latency=latency,
        throughput=throughput,
        energy=found.get("energy", Missing(quantity="energy", reason="it is not in result.json")),
        threads=int(side["threads"]),
        precisions=precisions,
        multiply_adds=multiply_adds.value,
        weights_b=parameters.value * (4 if "fp32" in precisions else 1),
        batch=int(side.get("batch") or 1),
        kernels=_kernels(side, result),
        overhead=_overhead(side, result, cpu_time.value),
    )


_NEEDED = ("cpu_time", "latency_p50", "throughput", "multiply_adds", "parameters")


def precisions_of(recipe: str) -> tuple[str, ...]:
    """The precisions of a recipe's parts: int8 where a step quantizes, else fp32."""
    found = {"int8" if any(name.startswith("quantize") for name in steps_of(part)) else "fp32" for part in _parts(parse(recipe))}
    return tuple(name for name in PRECISIONS if name in found)


def _parts(recipe: Recipe) -> Iterator[Recipe]:
    if isinstance(recipe, Composed):
        for part in recipe.parts:
            yield from _parts(part)
    else:
        yield recipe


def _kernels(side: Mapping[str, Any], result: Mapping[str, Any]) -> int:
    layers = (result.get("why") or {}).get("layers") or {}
    told = layers.get("chosen" if side.get("recipe") != result["baseline"]["recipe"] else "fastest_fp32") or {}
    return max(1, len(told.get("layers") or ()))


def _overhead(side: Mapping[str, Any], result: Mapping[str, Any], cpu_s: float) -> Span:
    """Where a line through (multiply-adds, CPU time) of the study's trials on this engine and precision meets 0, over this time.

    Its ends are those of the lines that leave one trial out.
    """
    engine, precisions = side["recipe"].rpartition("@")[2], precisions_of(side["recipe"])
    alike = set()
    for trial in result["trials"]:
        if trial["state"] == "done" and trial["recipe"].rpartition("@")[2] == engine and precisions_of(trial["recipe"]) == precisions:
            work, time_s = (trial["readings"].get(name, {}).get("value") for name in ("multiply_adds", "cpu_time"))
            alike |= {(work, time_s)} if work and time_s else set()
    points = sorted(alike)
    if len({work for work, _ in points}) < _LEAST_POINTS:
        return UNKNOWN_OVERHEAD
    lines = [points, *([one for one in points if one != left_out] for left_out in points)]
    shares = [min(max(_line_at_zero(line) / cpu_s, 0.0), 1.0) for line in lines]
    return Span(value=shares[0], low=min(shares), high=max(shares))


def _line_at_zero(points: Sequence[tuple[float, float]]) -> float:
    """The constant of the least-squares line whose errors are relative to the height."""
    weight = [1 / y**2 for _, y in points]
    total = sum(weight)
    mean_x, mean_y = (sum(w * point[at] for w, point in zip(weight, points, strict=True)) / total for at in (0, 1))
    spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weight, points, strict=True))
    slope = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weight, points, strict=True)) / spread
    return mean_y - max(slope, 0.0) * mean_x


def measured_on(result: Mapping[str, Any]) -> tuple[tuple[Machine, ...], str]:
    """The rows of the catalogue that stand for the machine of a study, and why those; none where nothing is like it."""
    chip, isa = (result.get("energy_model") or {}).get("name", ""), (result.get("host") or {}).get("isa", "")
    rows = [row for row in machines().values() if row.kind != ACCELERATOR]
    same = tuple(row for row in rows if row.chip == chip)
    if same:
        return same, f"measured on {chip}; stands for it: {_names(same)}"
    alike = tuple(row for row in rows if row.isa == isa)
    if alike:
        return (
            alike,
            f"measured on {chip or 'an unknown CPU'}, which is not in the catalogue; its class {isa} stands for it: {_names(alike)}",
        )
    return (), f"the machine of the study ({chip or 'unknown'}, class {isa or 'unknown'}) is like none of the catalogue"


def _names(rows: Iterable[Machine]) -> str:
    return ", ".join(row.name for row in rows)


def efficiency(work: Work, here: Machine) -> float:
    """The share of the roofline that is reached: what the arithmetic takes at the peak, over the time measured."""
    return _roof_s(work, here) / work.cpu_time.value


def _roof_s(work: Work, there: Machine) -> float:
    return 2 * work.multiply_adds / max(there.peak[name] for name in work.precisions)


def forecast(work: Work, here: Sequence[Machine], there: Machine) -> Forecast:
    """One inference on another machine.

    Args:
        work: As measured.
        here: Rows that stand for the machine it was measured on; the interval holds what each of them says.
        there: Where to.
    """
    if there.kind == ACCELERATOR:
        return _accelerator(work, there)
    if not here:
        lacking = Missing(quantity="cpu_time", reason="the machine it was measured on is like none of the catalogue")
        return Forecast(machine=there, cpu_time=lacking, latency=lacking, throughput=lacking, energy=lacking)
    scales = [scale(work, one, there) for one in here]
    value = math.exp(sum(math.log(one.value) for one in scales) / len(scales))
    span = Span(value=value, low=min(one.low for one in scales), high=max(one.high for one in scales))
    threads = min(work.threads, there.cores)
    crowded = work.threads / threads
    cpu_time = _scaled(work.cpu_time, span, there)
    curve = there.curve()
    return Forecast(
        machine=there,
        cpu_time=cpu_time,
        latency=_scaled(work.latency, span.times(crowded), there),
        throughput=_slowed(work.throughput, span.times(crowded), there),
        energy=_energy(curve, cpu_time) if isinstance(curve, Curve) else curve,
        threads=threads,
    )


def scale(work: Work, here: Machine, there: Machine) -> Span:
    """Time there over time here.

    Args:
        work: As measured here.
        here: The machine, or a row that stands for it.
        there: The other; neither is an accelerator.

    Returns:
        1, with no interval, where both are the same row.
    """
    if here.name == there.name:
        return Span(value=1.0, low=1.0, high=1.0)
    assert here.clock_hz is not None
    assert there.clock_hz is not None
    clock = here.clock_hz / there.clock_hz
    peaks = [here.peak[name] / there.peak[name] for name in work.precisions]
    peak = math.exp(sum(map(math.log, peaks)) / len(peaks))
    overhead = work.overhead
    value = overhead.value * clock + (1 - overhead.value) * math.sqrt(clock * peak)
    ends = [share * clock + (1 - share) * one for share in (overhead.low, overhead.high) for one in (clock, *peaks)]
    low, high = min(ends), max(ends)
    memory = _memory(work, here, there)
    if memory is not None:
        value, low, high = max(value, math.sqrt(value * memory)), min(low, memory), max(high, memory)
    shared, wide = _shared(here, there), width(here, there)
    span = Span(value=value * shared.value, low=low * shared.low / wide, high=high * shared.high * wide)
    return _with_stall(span, work, here, there)


def _memory(work: Work, here: Machine, there: Machine) -> float | None:
    """Ratio of a core's bandwidths where the weights fit in neither cache."""
    mine, theirs = here.memory_share_b_per_s(), there.memory_share_b_per_s()
    return None if mine is None or theirs is None or _fit(work, here) or _fit(work, there) else mine / theirs


def _fit(work: Work, one: Machine) -> bool:
    return one.cache_b is None or work.weights_b <= one.cache_b


def _with_stall(span: Span, work: Work, here: Machine, there: Machine) -> Span:
    """Weights that fit in the cache here and not there have to come from memory: by one core alone at best, by its share at worst."""
    share = there.memory_share_b_per_s()
    if share is None or there.memory_b_per_s is None or not _fit(work, here) or _fit(work, there):
        return span
    best, worst = (work.weights_b / speed / work.cpu_time.value for speed in (there.memory_b_per_s, share))
    return Span(value=max(span.value, math.sqrt(best * worst)), low=max(span.low, best), high=span.high + worst)


def _shared(here: Machine, there: Machine) -> Span:
    """Two threads of a core give each between a half and the whole of it; what is measured may have had either."""
    if here.threads_per_core == there.threads_per_core:
        return Span(value=1.0, low=1.0, high=1.0)
    ratio = there.threads_per_core / here.threads_per_core
    return Span(value=math.sqrt(ratio), low=min(1.0, ratio), high=max(1.0, ratio))


def width(here: Machine, there: Machine) -> float:
    """The factor by which a step may err either way, 19 times of 20; its causes are taken as independent."""
    causes = [SAME_CHIP if here.chip == there.chip else OTHER_CHIP]
    causes += [OTHER_KERNELS] if here.isa != there.isa else []
    causes += [OTHER_ARCHITECTURE] if here.isa.startswith("arm") != there.isa.startswith("arm") else []
    return math.exp(math.hypot(*map(math.log, causes)))


def _slowed(measured: Reading, span: Span, there: Machine) -> Reading:
    """A rate where an inference takes `span` times as long."""
    return _scaled(measured, Span(value=1 / span.value, low=1 / span.high, high=1 / span.low), there)


def _scaled(measured: Reading, span: Span, there: Machine) -> Reading:
    low = measured.value if measured.low is None else measured.low
    high = measured.value if measured.high is None else measured.high
    return Reading(
        quantity=measured.quantity,
        value=measured.value * span.value,
        low=low * span.low,
        high=high * span.high,
        how=How.MODELLED,
        covers=measured.covers,
        source=f"measured time by roofline and clock to {there.name} ({there.source})",
    )


def _energy(curve: Curve, cpu_time: Reading) -> Reading:
    """Energy above idle of some modelled CPU seconds; the ends of time and watts are joined."""
    assert cpu_time.low is not None
    assert cpu_time.high is not None
    return Reading(
        quantity="energy",
        value=cpu_time.value * curve.active_w.value,
        low=cpu_time.low * curve.active_w.low * (1 - MODEL_TERM),
        high=cpu_time.high * curve.active_w.high * (1 + MODEL_TERM),
        how=How.MODELLED,
        covers=("cpu",),
        source=f"{curve.source}; {curve.note}",
    )


def _accelerator(work: Work, there: Machine) -> Forecast:
    """A floor only: kernels of a small model at batch 1 are bound by their launches, and how much of a card they fill is not modelled."""
    read_s = work.weights_b / there.memory_b_per_s if there.memory_b_per_s else 0.0
    floor_s = max(work.kernels * KERNEL_S[0], work.batch * _roof_s(work, there), read_s)
    launched = f"{work.kernels} {'kernel takes' if work.kernels == 1 else 'kernels take'} " + " to ".join(
        _micro(work.kernels * one_s) for one_s in KERNEL_S
    )
    reason = (
        f"at least {_micro(floor_s)}: {launched} to launch; the share of a card that a small model fills, copies to the card "
        "and the host's CPU are not modelled"
    )
    lacking = Missing(quantity="latency_p50", reason=reason)
    return Forecast(machine=there, cpu_time=lacking, latency=lacking, throughput=lacking, energy=lacking, floor_s=floor_s)


def _micro(seconds: float) -> str:
    return f"{seconds * 1e6:.2g} us" if seconds < 1e-4 else f"{seconds * 1e3:.2g} ms"
