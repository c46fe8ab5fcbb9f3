"""`co2_eq_emissions` of a Hugging Face model card.

Source: Hugging Face hub documentation, "Displaying carbon emissions for your model"; only the keys documented there are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

from paredown.core.errors import UsageError
from paredown.core.export import Export
from paredown.core.reading import Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.exports.sums import outermost, said, tier
from paredown.exports.texts import one_line, quoted
from paredown.impact.account import signal_of

_TRAINING = {"training": "pre-training", "fine-tuning": "fine-tuning", "compression-search": "fine-tuning"}


class ModelCard(Export):
    """The lines `co2_eq_emissions` for the head of a Hugging Face model card: grams of training, never of an inference."""

    suffix = ".yaml"

    def text(self, records: Sequence[EnergyRecord]) -> str:
        """The sum over the records of training, fine-tuning and compression-search; comments say what was left out, Missing or noted.

        Raises:
            UsageError: None of the records is one of training, the carbon of one is Missing, as a part never stands for the whole, or
                average and marginal carbon would be added.
        """
        found, left_out = outermost([record for record in records if record.activity in _TRAINING])
        if not found:
            seen = ", ".join(sorted({one_line(record.activity) for record in records})) or "no record"
            raise UsageError(
                f"a model card tells the carbon of training; there is only {seen}.\n  Track the training: activity='training'."
            )
        carbons = []
        for record in found:
            carbon = record.readings.get("carbon", Missing(quantity="carbon", reason="it was not asked for"))
            if isinstance(carbon, Missing):
                raise UsageError(f'the carbon of {record.subject!r} is missing: {carbon.reason}.\n  Say where it ran, as `grid="NO"`.')
            carbons.append(carbon)
        signals = sorted({signal_of(carbon) for carbon in carbons})
        if len(signals) > 1:
            raise UsageError(f"carbon of {' and '.join(signals)} intensity has no sum.\n  Give records of one signal.")
        activities = " and ".join(dict.fromkeys(record.activity for record in found))
        kinds = " and ".join(dict.fromkeys(f"{carbon.how} {tier(carbon)}" for carbon in carbons))
        signal = "" if signals == ["average"] else f", {signals[0]} intensity"
        lines = {
            "emissions": repr(float(f"{sum(carbon.value for carbon in carbons):.2g}")),
            "source": quoted(f"paredown {metadata.version('paredown')}, {kinds}, {activities} only{signal}"),
            "training_type": quoted(_TRAINING[found[0].activity]),
            "hardware_used": quoted(_hardware(found[0])),
        }
        comments = [*([left_out] if left_out else []), *(f"{record.subject}: {text}" for record in found for text in said(record))]
        listed = [f"  {key}: {value}" for key, value in lines.items()] + [f"# {one_line(text)}" for text in dict.fromkeys(comments)]
        return "\n".join(["co2_eq_emissions:", *listed]) + "\n"


def _hardware(record: EnergyRecord) -> str:
    cpu = record.host.get("cpu") or {}
    named = cpu if isinstance(cpu, str) else f"{cpu.get('vendor', '')} family {cpu.get('family')} model {cpu.get('model')}".strip()
    cards = record.readings.get("gpu_energy")
    beside = f", {' and '.join(cards.covers)}" if isinstance(cards, Reading) and cards.covers else ""
    return f"{record.host.get('cores', '?')} {'v' if record.host.get('virtual') else ''}CPUs {named}{beside}"
