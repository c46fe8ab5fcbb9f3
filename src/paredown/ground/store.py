"""Folders by digest."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from paredown.core.errors import Damaged
from paredown.ground import digests
from paredown.ground.files import copy_folder, writable

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FolderStore:
    """A store in a local folder; `put` is atomic, so that a killed process leaves no half candidate.

    Args:
        root: Where the folders lie, each named by its digest.
    """

    root: Path

    def scratch(self) -> Path:
        """A new empty folder on the store's own disk, to be filled and given to `put`."""
        part = self.root / f".part-{secrets.token_hex(8)}"
        part.mkdir(parents=True)
        return part

    def put(self, folder: Path) -> str:
        """Move a finished folder in; returns the digest over its files' names and contents."""
        digest = digests.of_folder(folder)
        target = self.root / digest
        self.root.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.rmtree(folder)
            return digest
        try:
            os.rename(folder, target)
        except OSError:
            if not target.exists():
                part = self.scratch()
                copy_folder(folder, part)
                os.rename(part, target)
            shutil.rmtree(folder, ignore_errors=True)
        return digest

    def folder(self, digest: str) -> Path:
        """The stored folder; its files must not be changed.

        Raises:
            Damaged: Nothing is stored under that digest.
        """
        target = self.root / digest
        if not _DIGEST.fullmatch(digest):  # a ledger names it
            raise Damaged(f"{self.root} is asked for {digest!r:.80}, which is no digest.\n  Run the job again with `--fresh`.")
        if not target.is_dir():
            raise Damaged(f"{target} is gone from the store.\n  Run the job again with `--fresh`, or restore the folder.")
        return target

    def copy(self, digest: str, target: Path) -> None:
        """Copy a stored folder into an empty one, and make sure that the copy is what was stored.

        Raises:
            Damaged: Nothing is stored under that digest, or its files were changed since.
            CannotWrite: The target cannot be written.
        """
        with writable(target):
            copy_folder(self.folder(digest), target)
        found = digests.of_folder(target)
        if found != digest:
            raise Damaged(
                f"{self.root / digest} is not what was stored: its digest is {found[:12]}... now.\n"
                "  Restore the folder, or run the job again with `--fresh`."
            )

    def has(self, digest: str) -> bool:
        """True when that digest is stored whole."""
        return (self.root / digest).is_dir()

    def sweep(self) -> None:
        """Remove what killed processes left half done."""
        for part in self.root.glob(".part-*"):
            shutil.rmtree(part, ignore_errors=True)
