"""Sounds in, one class out."""

from __future__ import annotations

from paredown.tasks.audio import Audio


class AudioClassification(Audio):
    """Sounds as files or arrays, resampled, as waveforms or log-mel spectrograms; one of several classes each."""

    kind = "class"
