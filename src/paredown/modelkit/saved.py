"""What a folder that transformers saved is made of. No torch here."""

from __future__ import annotations

from pathlib import Path

from paredown.ground.untrusted import read_json

_READ = (
    *("*.json", "*.safetensors", "pytorch_model*.bin", "adapter_model.bin", "*.txt", "*.model", "*.tiktoken", "*.codes", "*.jinja"),
    *("additional_chat_templates/*.jinja", "*/config.json"),
)
_INDEX = "*.index.json"


def files_of(path: Path) -> list[Path]:
    """The files that opening a model of this folder may read: its own kinds, and whatever an index of shards names.

    Args:
        path: A folder with config.json.

    Returns:
        Files in order of their names; a shard that is named and absent is left out.
    """
    found = {item for pattern in _READ for item in path.glob(pattern)}
    for index in path.glob(_INDEX):
        try:
            shards = read_json(index, finite=False)["weight_map"].values()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # said by whoever opens it
            continue
        found |= {path / str(name) for name in shards}
    return sorted(item for item in found if item.is_file())
