"""`co2_eq_emissions` of a Hugging Face model card.

Source: Hugging Face hub documentation, "Displaying carbon emissions for your model"; only the keys documented there are written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import metadata

from paredown.core.errors import UsageError
from paredown.core.export import Export
from paredown.core.reading import Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.exports.sums import tier

_TRAINING = {"training": "pre-training", "fine-tuning": "fine-tuning", "compression-search": "fine-tuning"}


class ModelCard(Export):
    """The lines `co2_eq_emissions` for the head of a Hugging Face model card: grams of training, never of an inference."""

    suffix = ".yaml"

    def text(self, records: Sequence[EnergyRecord]) -> str:
        """The sum over the records of training, fine-tuning and compression-search.

        Raises:
            UsageError: None of the records is one of training, or the carbon of one is Missing: a part never stands for the whole.
        """
        found = [record for record in records if record.activity in _TRAINING]
        if not found:
            seen = ", ".join(sorted({record.activity for record in records}))
            raise UsageError(
                f"a model card tells the carbon of training; there is only {seen}.\n  Track the training: activity='training'."
            )
        carbons = []
        for record in found:
            carbon = record.readings.get("carbon", Missing(quantity="carbon", reason="it was not asked for"))
            if isinstance(carbon, Missing):
                raise UsageError(f'the carbon of {record.subject!r} is missing: {carbon.reason}.\n  Say where it ran, as `grid="NO"`.')
            carbons.append(carbon)
        activities = " and ".join(dict.fromkeys(record.activity for record in found))
        kinds = " and ".join(dict.fromkeys(f"{carbon.how} {tier(carbon)}" for carbon in carbons))
        lines = {
            "emissions": repr(float(f"{sum(carbon.value for carbon in carbons):.2g}")),
            "source": json.dumps(f"paredown {metadata.version('paredown')}, {kinds}, {activities} only", ensure_ascii=False),
            "training_type": json.dumps(_TRAINING[found[0].activity]),
            "hardware_used": json.dumps(_hardware(found[0]), ensure_ascii=False),
        }
        return "\n".join(["co2_eq_emissions:", *(f"  {key}: {value}" for key, value in lines.items())]) + "\n"


def _hardware(record: EnergyRecord) -> str:
    cpu = record.host.get("cpu") or {}
    named = cpu if isinstance(cpu, str) else f"{cpu.get('vendor', '')} family {cpu.get('family')} model {cpu.get('model')}".strip()
    cards = record.readings.get("gpu_energy")
    beside = f", {' and '.join(cards.covers)}" if isinstance(cards, Reading) and cards.covers else ""
    return f"{record.host.get('cores', '?')} {'v' if record.host.get('virtual') else ''}CPUs {named}{beside}"
