"""Files that only this user's paredown on this machine can have written: a seal made with a key that never leaves the machine."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from paredown.core.errors import Damaged, UsageError
from paredown.ground.files import state_folder

_HEAD = b"paredown sealed 1\n"
_SIZE = hashlib.sha256().digest_size


def sealed(body: bytes) -> bytes:
    """A file's content: head, seal, body.

    Raises:
        UsageError: The key cannot be kept on this machine.
    """
    return _HEAD + hmac.digest(_key(), body, "sha256") + body


def opened(path: Path) -> bytes:
    """The body of a sealed file.

    Raises:
        Damaged: It is absent, was changed, or was sealed elsewhere.
        UsageError: The key cannot be kept on this machine.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}.\n  Call `paredown.shrink` again with the model.") from None
    head, seal, body = content[: len(_HEAD)], content[len(_HEAD) : len(_HEAD) + _SIZE], content[len(_HEAD) + _SIZE :]
    if head != _HEAD or not hmac.compare_digest(seal, hmac.digest(_key(), body, "sha256")):
        raise Damaged(
            f"{path} was changed, or was not written by your paredown on this machine; it holds code and is not opened.\n"
            "  Call `paredown.shrink` again with the model."
        )
    return body


def _key() -> bytes:
    path = state_folder() / "seal.key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        if not path.exists():
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
            try:
                os.link(draft, path)  # the first of two processes wins, and its key is whole
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be kept: {error.strerror}; it holds the key that tells your files from those of others.\n"
            "  Make the folder writable, or set XDG_STATE_HOME to one that is."
        ) from None
