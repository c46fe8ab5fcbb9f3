"""Prometheus' text exposition format, for a textfile collector or a page to scrape.

Source: Prometheus exposition formats, text format 0.0.4, and its practices of naming (base units, `_total`), read 2026-11.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import metadata

from paredown.core.export import Export
from paredown.core.record import EnergyRecord
from paredown.exports.sums import meaning, outermost, relative_uncertainty, said, signal, sums, tier
from paredown.exports.texts import one_line, word
from paredown.ground.untrusted import visible

_NAMES = {"cpu_time": "cpu", "carbon": "co2e", "embodied_carbon": "embodied_co2e"}
_UNITS = {"s": "seconds", "J": "joules", "g": "grams", "L": "liters"}

Labels = tuple[tuple[str, str], ...]


class Prometheus(Export):
    """Counters in base units with labels for model, kind and tier; records of one model add up."""

    suffix = ".prom"

    def text(self, records: Sequence[EnergyRecord]) -> str:
        """`paredown_inference_energy_joules_total{model,kind,tier}` and its like.

        What is Missing has no line but a comment with its reason, and so has what lies in another record and is not added, and each note.
        """
        kept, left_out = outermost(records)
        comments = [left_out] if left_out else []
        counters: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        helps: dict[str, str] = {}
        spread: dict[Labels, float] = {}
        for record in kept:
            begin = f"paredown_{word(record.activity)}"
            comments += [f"{record.subject}: {text}" for text in said(record)]
            one = f"{begin}_units_total" if (record.activity, record.unit) != ("inference", "inference") else "paredown_inferences_total"
            helps[one] = "How many of them the joules are for."
            counters[one][_labels(model=record.subject, unit=record.unit)] += record.count
            for name, item in sums(record):
                counter = f"{begin}_{_NAMES.get(name, name)}_{_UNITS.get(item.unit) or word(item.unit)}_total"
                helps[counter] = meaning(name)
                made = {"kind": str(item.how)} | ({} if name == "cpu_time" else {"tier": tier(item)}) | signal(item)
                labels = _labels(model=record.subject, **made)
                counters[counter][labels] += item.value
                wide = relative_uncertainty(item)
                if wide is not None:
                    key = _labels(model=record.subject, activity=record.activity, quantity=name, **made)
                    spread[key] = max(wide, spread.get(key, 0.0))
        lines = [f"# paredown: {one_line(text)}" for text in dict.fromkeys(comments)]
        lines += [line for name in counters for line in _family(name, "counter", helps[name], counters[name])]
        if spread:
            uncertainty = "Half the 95 % interval over the value; the widest of the records."
            lines += _family("paredown_energy_relative_uncertainty_ratio", "gauge", uncertainty, spread)
        lines += _family(
            "paredown_build_info", "gauge", "The paredown that wrote this.", {_labels(version=metadata.version("paredown")): 1.0}
        )
        return "\n".join(lines) + "\n"


def _labels(**named: str) -> Labels:
    return tuple(named.items())


def _family(name: str, kind: str, text: str, samples: Mapping[Labels, float]) -> list[str]:
    rows = [f"{name}{{{_listed(labels)}}} {float(value)!r}" for labels, value in samples.items()]
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *rows]


def _listed(labels: Labels) -> str:
    return ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)


def _escaped(text: str) -> str:
    return visible(text).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
