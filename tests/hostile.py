"""Artifacts and studies as a stranger might hand them over: sound ones, changed in one of many ways; and what commands make of them.

Half of the time the digests are written anew, so that what comes behind the check of digests is tried too.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from hostile_watch import CANARY, Seen, Watch

DEEP = 200_000
NAMES = (
    f"{CANARY}:run",
    CANARY,
    "os:system",
    "subprocess:call",
    "builtins:exec",
    "../outside",
    "/etc/hostname",
    "a/../../outside",
    "",
    ".",
)
TEXTS = ("\x1b]0;owned\x07\x1b[2J", "\x9b2J", "‮evil", "\ud800", "a\r\nb\x00c", "x" * 100_000, "%s{0}", "{threads}")
NUMBERS = (-1, 0, 2, 20_000, 2**31, 2**63, 10**400, 1e-320, 1e308, float("nan"), float("inf"), -float("inf"), True)
KINDS: tuple[Any, ...] = (None, False, [], {}, [[]], [None], {"": 0}, "x", 1, 1.5, [1, "a"], {"a": {"b": []}})
CODE = f"import os\nopen(os.environ['HOSTILE_LOG'], 'a').write('ran {CANARY} from a file of the folder\\n')\n"


def mutate(folder: Path, draw: random.Random) -> str:
    """Change one to three things below `folder`; returns what was done, in words."""
    done = [draw.choice(MUTATORS)(folder, draw) for _ in range(draw.choice((1, 1, 1, 2, 3)))]
    if draw.random() < 0.5:
        reseal(folder)
        done.append("digests written anew")
    return "; ".join(done)


def reseal(folder: Path) -> None:
    """Write the digests anew, as whoever makes an artifact or a study can; what cannot be read stays as it is."""
    for card in filter(Path.is_file, sorted(folder.rglob("artifact.json"))):
        try:
            manifest = json.loads(card.read_text("utf-8"))
            manifest["files"] = _digests(card.parent, card.name)
            card.write_text(json.dumps(manifest), "utf-8")
        except (OSError, ValueError, TypeError, RecursionError):
            continue
    for card in filter(Path.is_file, sorted(folder.rglob("MANIFEST.sha256"))):
        lines = (f"{digest}  {name}\n" for name, digest in _digests(card.parent, card.name).items())
        card.write_text("".join(lines), "utf-8", errors="replace")


def _digests(folder: Path, apart: str) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / apart]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _files(folder: Path, *endings: str) -> list[Path]:
    """Files below a folder; of a study those outside its cache, which few commands read, and one of the cache."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    found = [path for path in found if path.suffix in endings] if endings else found
    cached = [path for path in found if "cache" in path.relative_to(folder).parts]
    return [path for path in found if path not in cached] + cached[:1]


def _bytes(folder: Path, draw: random.Random) -> str:
    path = draw.choice(_files(folder))
    content = bytearray(path.read_bytes())
    how = draw.choice(("flipped", "cut", "inserted", "doubled", "emptied"))
    at = draw.randrange(len(content)) if content else 0
    if how == "flipped" and content:
        for _ in range(draw.choice((1, 4, 64))):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif how == "cut":
        del content[at:]
    elif how == "inserted":
        content[at:at] = draw.randbytes(draw.choice((1, 16, 4096)))
    else:
        content = content * 2 if how == "doubled" else bytearray()
    path.write_bytes(content)
    return f"{path.name}: bytes {how}"


def places(data: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Wherever something stands in plain data, as the keys that lead there; () is the whole."""
    yield place
    for key, item in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        if len(place) < 12:
            yield from places(item, (*place, key))


def _document(folder: Path, draw: random.Random) -> tuple[Path, list[Any]] | None:
    """A JSON file, or one of lines of JSON, as the list of its values."""
    path = draw.choice(_files(folder, ".json", ".jsonl") or [folder])
    try:
        text = path.read_text("utf-8")
        return path, [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else [json.loads(text)]
    except (OSError, ValueError, RecursionError):
        return None


def _write(path: Path, values: list[Any]) -> None:
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values), "utf-8")


def _value(folder: Path, draw: random.Random, kinds: tuple[Any, ...], what: str) -> str:
    """One value of a JSON file becomes another one; entries of the manifest are favoured, where most of what is believed stands."""
    found = _document(folder, draw)
    if found is None or not found[1]:
        return "nothing"
    path, values = found
    known = [place for place in places(values) if place]
    place = draw.choice(known)
    inner: Any = values
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = new = draw.choice(kinds)
    with suppress(UnicodeEncodeError):
        _write(path, values)
    return f"{path.name}: {'.'.join(map(str, place[1:]))} is {what} {str(new)[:30]!r}"


def _key(folder: Path, draw: random.Random) -> str:
    """A key of a JSON object goes, comes, or stands twice."""
    found = _document(folder, draw)
    if found is None:
        return "nothing"
    path, values = found
    objects = [inner for inner in (_at(values, place) for place in places(values)) if isinstance(inner, dict) and inner]
    if not objects:
        return "nothing"
    entry = draw.choice(objects)
    key, how = draw.choice(list(entry)), draw.choice(("gone", "renamed", "added", "twice"))
    if how == "twice" and path.suffix == ".json":
        marked = dict(entry)
        entry.clear()
        entry |= {key: marked[key], "TWICE": marked[key], **{name: value for name, value in marked.items() if name != key}}
        path.write_text(json.dumps(values[0]).replace('"TWICE"', json.dumps(key)), "utf-8")
        return f"{path.name}: {key} twice"
    if how == "gone":
        del entry[key]
    elif how == "renamed":
        entry[draw.choice((*NAMES, "x"))] = entry.pop(key)
    else:
        entry[draw.choice(("factory", "runtime", "auto_map", "trust_remote_code", "module", "x"))] = f"{CANARY}:run"
    _write(path, values)
    return f"{path.name}: {key} {how}"


def _at(data: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        data = data[key]
    return data


def _monster(folder: Path, draw: random.Random) -> str:
    """A JSON file nested, long or large beyond what anybody writes."""
    path = draw.choice(_files(folder, ".json", ".jsonl") or [folder / "artifact.json"])
    how = draw.choice(("deep list", "deep object", "huge number", "wide", "NaN", "not UTF-8", "unclosed"))
    texts = {
        "deep list": b"[" * DEEP + b"]" * DEEP,
        "deep object": b'{"a":' * DEEP + b"0" + b"}" * DEEP,
        "huge number": b'{"format": ' + b"9" * 100_000 + b"}",
        "wide": b"[" + b"{}," * 3_000_000 + b"{}]",
        "NaN": b'{"format": 1, "inputs": [NaN], "outputs": [[Infinity, -Infinity]]}',
        "not UTF-8": b'{"format": "\xff\xfe"}',
        "unclosed": b"[" * DEEP,
    }
    path.write_bytes(texts[how])
    return f"{path.name}: {how}"


def _file(folder: Path, draw: random.Random) -> str:
    """A file goes, comes, changes its name or becomes something else than a file."""
    path = draw.choice(_files(folder))
    how = draw.choice(("gone", "renamed", "a folder", "a link", "a link outside", "a dangling link", "a pipe", "unreadable"))
    if how == "renamed":
        path.rename(path.with_name(draw.choice(("a\nb", "x" * 200, "\x1b[2J", "ö", path.name + "~"))))
    elif how == "unreadable":
        path.chmod(0)
    else:
        content = path.read_bytes()
        path.unlink()
        if how == "a folder":
            path.mkdir()
        elif how == "a pipe":
            os.mkfifo(path)
        elif how == "a link":
            path.with_name("real").write_bytes(content)
            path.symlink_to("real")
        elif how == "a link outside":
            outside = folder.with_name(f"{folder.name}-outside")
            outside.write_bytes(content)
            path.symlink_to(outside)
        elif how == "a dangling link":
            path.symlink_to("nowhere")
    return f"{path.name}: {how}"


def _code(folder: Path, draw: random.Random) -> str:
    """A Python file where a careless import would find it."""
    where = draw.choice([folder, *(path for path in sorted(folder.rglob("*")) if path.is_dir() and not path.is_symlink())])
    name = draw.choice(("numpy", "json", "net", "sitecustomize", "usercustomize", "onnxruntime", "torch", "paredown", "conftest", CANARY))
    (where / f"{name}.py").write_text(CODE)
    return f"{name}.py in {where.name}"


def _outside(folder: Path, draw: random.Random) -> str:
    """A file that the manifest names lies beside the folder, or somewhere else on this machine."""
    cards = [path for path in sorted(folder.rglob("artifact.json")) if path.is_file()]
    try:
        card = draw.choice(cards)
        manifest = json.loads(card.read_text("utf-8"))
        entry, key = draw.choice(
            [(manifest["graphs"][0], "file"), (manifest["probe"], "file"), (manifest["encode"], "tokenizer"), (manifest["files"], "x")]
        )
        source = card.parent / entry[key] if isinstance(entry.get(key), str) else card
        target = folder.with_name(f"{folder.name}-{source.name}")
        if source.is_file():
            shutil.copyfile(source, target)
        entry[key] = draw.choice((os.path.relpath(target, card.parent), str(target), f"{key}/../../{target.name}"))
        card.write_text(json.dumps(manifest), "utf-8")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "nothing"
    return f"{key} names {entry[key]}"


def _blueprint(folder: Path, draw: random.Random) -> str:
    """The graph becomes a torch module whose blueprint names any function."""
    cards = [path for path in sorted(folder.rglob("artifact.json")) if path.is_file()]
    try:
        card = draw.choice(cards)
        manifest = json.loads(card.read_text("utf-8"))
        name = draw.choice(
            (
                f"{CANARY}:run",
                "os:system",
                "paredown.ground.lazy:resolve",
                "paredown.modelkit.nets:nn.Linear",
                "torch:load",
                "torch.nn:Linear",
            )
        )
        arguments = draw.choice(({}, {"command": f"touch {folder}-ran"}, {"dotted": f"{CANARY}:run", "purpose": "x"}, {"f": "x"}))
        blueprint = {"format": 1, "factory": name, "arguments": arguments, "inputs": {"input": [8]}, "surgeries": []}
        (card.parent / "blueprint.json").write_text(json.dumps(blueprint))
        (card.parent / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
        manifest["graphs"][0] |= {"runtime": "torch", "file": "model.safetensors"}
        card.write_text(json.dumps(manifest), "utf-8")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "nothing"
    return f"a blueprint of {name}"


def _database(folder: Path, draw: random.Random) -> str:
    """Rows of the ledger hold other values; or the file is no database any more."""
    import sqlite3

    paths = _files(folder, ".sqlite")
    if not paths:
        return _bytes(folder, draw)
    new = draw.choice(("[" * DEEP + "]" * DEEP, "{}", "null", "NaN", b"\xff", None, 10**18, '{"a": 1e999}', json.dumps(draw.choice(TEXTS))))
    try:
        with sqlite3.connect(paths[0]) as ledger:
            tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            table = draw.choice(tables)
            column = draw.choice([row[1] for row in ledger.execute(f'PRAGMA table_info("{table}")')])
            ledger.execute(f'UPDATE OR REPLACE "{table}" SET "{column}" = ? WHERE random() % 2', (new,))
    except (sqlite3.Error, IndexError):
        return "nothing"
    return f"ledger: {table}.{column} is {str(new)[:20]!r}"


MUTATORS: tuple[Callable[[Path, random.Random], str], ...] = (
    _bytes,
    lambda folder, draw: _value(folder, draw, KINDS, "another kind:"),
    lambda folder, draw: _value(folder, draw, NUMBERS, "the number"),
    lambda folder, draw: _value(folder, draw, NAMES, "the name"),
    lambda folder, draw: _value(folder, draw, TEXTS, "the text"),
    _key,
    _monster,
    _file,
    _code,
    _outside,
    _blueprint,
    _database,
)


def study_commands(study: Path) -> list[tuple[str, ...]]:
    """What a careful person asks of a study that was handed over."""
    folder = str(study)
    return [("verify", folder), ("show", folder), ("report", folder), ("check", folder), ("load", f"{folder}/artifact")]


def artifact_commands(artifact: Path) -> list[tuple[str, ...]]:
    """The same for an artifact alone."""
    return [("verify", str(artifact)), ("load", str(artifact))]


def cases(watch: Watch, source: Path, count: int, seed: int, *, study: bool) -> Iterator[tuple[str, Seen]]:
    """Mutants of one folder, and what one command each does with them; the command goes round.

    Args:
        source: A sound artifact or study.
        count: How many.
        seed: Of the mutations; the same seed makes the same mutants.
    """
    for number in range(count):
        draw = random.Random(f"{seed}-{number}")
        folder = watch.copy(source)
        done = mutate(folder, draw)
        commands = study_commands(folder) if study else artifact_commands(folder)
        words = commands[number % len(commands)]
        inside = draw.random() < 0.3
        yield f"mutant {seed}-{number} ({done})", watch.run(*words, folder=folder, cwd=folder if inside and folder.is_dir() else None)
