"""Sounds in, any number of labels out."""

from __future__ import annotations

from paredown.tasks.audio import Audio


class AudioMultilabel(Audio):
    """Sounds as files or arrays, resampled, as waveforms or log-mel spectrograms; any number of labels each."""

    kind = "labels"
