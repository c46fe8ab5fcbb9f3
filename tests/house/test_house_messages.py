"""Messages are tested, words are honest, and the tree names no machine."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from house_tree import ROOT, SRC, files, parsed, write

from paredown.core import errors

ERRORS = {name for name, found in vars(errors).items() if isinstance(found, type) and issubclass(found, errors.ParedownError)}


def raised(src: Path) -> dict[tuple[str, str], str]:
    """(folder, error) -> a place where that error of our tree is raised."""
    out: dict[tuple[str, str], str] = {}
    for file in files(src):
        folder = file.relative_to(src).parts[0].removesuffix(".py").replace("__main__", "cli")
        for node in ast.walk(parsed(file)):
            call = node.exc if isinstance(node, ast.Raise) else None
            name = ast.unparse(call.func).rpartition(".")[2] if isinstance(call, ast.Call) else ""
            if name in ERRORS:
                out.setdefault((folder, name), f"{file.relative_to(src)}:{node.lineno}")
    return out


def matched(tests: Path) -> set[tuple[str, str]]:
    """(folder, error) pairs for which a test says `pytest.raises(error, match=...)`."""
    out = set()
    for file in sorted(tests.rglob("*.py")):
        folder = file.relative_to(tests).parts[0].removesuffix(".py").removeprefix("test_")
        for node in ast.walk(parsed(file)):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func).endswith("raises")
                and any(key.arg == "match" for key in node.keywords)
            ):
                classes = node.args[0].elts if isinstance(node.args[0], ast.Tuple) else node.args[:1]
                out |= {(folder, ast.unparse(each).rpartition(".")[2]) for each in classes}
    return out


def untested(src: Path, tests: Path) -> list[str]:
    """Errors raised in a folder without a test of their text in the folder that mirrors it. The suites in `testing` raise inside tests."""
    seen = matched(tests)
    return [
        f"{where} raises {error}; tests/{folder} has no pytest.raises({error}, match=...)"
        for (folder, error), where in raised(src).items()
        if (folder, error) not in seen
    ]


def test_every_error_has_a_test_of_its_text() -> None:
    assert untested(SRC, ROOT / "tests") == []


def test_an_untested_error_is_seen(tmp_path: Path) -> None:
    src = write(
        tmp_path / "src",
        core__a="raise BadKnob('x')\nraise errors.Unfit('y')\nraise ValueError('z')\nraise",
        ground__b="raise BadKnob('x')",
    )
    write(tmp_path / "tests", core__test_a="with pytest.raises(BadKnob, match='x'): ...\nwith pytest.raises(Unfit): ...")
    assert untested(src, tmp_path / "tests") == [
        "core/a.py:2 raises Unfit; tests/core has no pytest.raises(Unfit, match=...)",
        "ground/b.py:1 raises BadKnob; tests/ground has no pytest.raises(BadKnob, match=...)",
    ]


CLAIMS = re.compile(
    r"\b(lossless|certif(?:y|ies|ied)|compliant|(?:carbon|climate)[- ]neutral|net[- ]zero|eco-?friendly|zero[- ]emission|fair|green)\b",
    re.IGNORECASE,
)
NOT_A_CLAIM = re.compile(
    r"does not certify|Green Software Foundation|\[/?(bold )?green\]|bold green|(color|fill|stroke|background)\s*:\s*green", re.IGNORECASE
)
TEXTS = ("*.yaml", "*.html", "*.csv", "*.md", "*.js")


def claims(src: Path) -> list[str]:
    """Words that promise what no reading shows, in strings of the code and in text files beside it."""
    texts = [
        (file, node.lineno, node.value)
        for file in files(src)
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    texts += [
        (path, at, line)
        for kind in TEXTS
        for path in sorted(src.rglob(kind))
        for at, line in enumerate(path.read_text("utf-8").splitlines(), 1)
    ]
    found = ((path, at, match) for path, at, text in texts for match in CLAIMS.finditer(NOT_A_CLAIM.sub("", text)) if " " in text.strip())
    return [f"{path.relative_to(src)}:{at}: {match[0]!r}" for path, at, match in found]


def test_no_word_claims_more_than_a_reading() -> None:
    assert claims(SRC) == []


def test_a_claim_is_seen(tmp_path: Path) -> None:
    src = write(tmp_path, report__a='x = "a lossless model"\ny = "[bold green]pass[/]"\nz = "the greenest unfair one"')
    (src / "report" / "words.yaml").write_text("done: this model is\nmore: Carbon-neutral now\n")
    assert claims(src) == ["report/a.py:1: 'lossless'", "report/words.yaml:2: 'Carbon-neutral'"]


HOSTS = ("pypi" + ".org", "python" + "hosted", "download." + "pytorch", "arti" + "factory")
PLACES = ("/ro" + "ot/", "/ho" + "me/", "/Use" + "rs/", "/wo" + "rk/", "/opt/" + "wheels", "file:" + "///")
SKIP = {".git", ".venv", "runs", "build", "dist", "__pycache__"}


def machine_marks(root: Path) -> list[str]:
    """Lines that name this machine's folders or a package index."""
    words = {*HOSTS, *PLACES, *(f"{path}/" for path in (root, Path.home()) if len(path.parts) > 1)}
    out = []
    for path in sorted(root.rglob("*")):
        inner = path.relative_to(root).parts
        if not path.is_file() or any(part in SKIP or part.endswith((".egg-info", "_cache", ".hypothesis")) for part in inner):
            continue
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        out += [f"{path.relative_to(root)}:{at}: {word}" for at, line in enumerate(lines, 1) for word in sorted(words) if word in line]
    return out


def test_the_tree_names_no_machine() -> None:
    assert machine_marks(ROOT) == []


def test_a_machine_path_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(f"see {Path.home() / 'x' / 'y'}\ninstall from https://{HOSTS[0]}/simple\nclean\n")
    assert [line.partition(":")[0] + line.split(":")[1] for line in machine_marks(tmp_path)][-1:] == ["a.md2"]
    assert any(line.startswith("a.md:1:") for line in machine_marks(tmp_path))
