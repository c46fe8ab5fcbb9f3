"""Sounds in, a number out."""

from __future__ import annotations

from paredown.tasks.audio import Audio


class AudioRegression(Audio):
    """Sounds as files or arrays, resampled, as waveforms or log-mel spectrograms; a number each."""

    kind = "numbers"
