"""Folders of sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.encoders.waveforms import LONGEST_S, open_sound
from paredown.ingest import folders

ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")


class Audio(DatasetReader):
    """A folder, or a zip file, with one folder of sounds per class: `words/yes/1.wav`, whose label is `yes`.

    Sounds may have any rate, length and number of channels, and stay the bytes of their files, so that what is measured opens files too.
    Plain wav files (8 to 32 bits, floats) need nothing else; flac, ogg, mp3 and aiff, and compressed wav files, need soundfile.
    """

    @classmethod
    def claims(cls, source: str, folder: Path) -> bool:
        """A folder or zip file that holds sounds, or folders of sounds."""
        return folders.holds(source, folder, ENDINGS)

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All sounds, folder by folder, in the order of their names.

        Raises:
            BadData: No such source, there are no folders of sounds, one of them is empty, or a file is damaged or needs soundfile; says
                which file.
        """
        with folders.opened(source, folder, ENDINGS, "sounds") as found:
            return folders.read_whole(found, found.chosen(columns, "sounds", ENDINGS), labels, _look)


def _look(item: folders.Item, data: bytes) -> None:
    try:
        open_sound(data, most_s=LONGEST_S)
    except ValueError as error:
        raise BadData(f"{str(error).replace('sound 0', item.name, 1)}\n  Remove or replace the file.") from None
