"""The contract of a runtime: an engine that opens a folder and answers feeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import BadData
from paredown.core.reading import Missing
from paredown.core.technique import Store, snake


@dataclass(frozen=True, kw_only=True)
class Host:
    """The machine as far as units need to know it.

    Args:
        cores: CPUs this process may use.
        isa: Instruction-set class of the CPU, as "avx512_vnni"; int8 results differ between classes.
        cpu: Vendor, family, model, stepping and brand as the kernel says them.
        memory_b: Memory in bytes that this process may use: what is there, or a container's limit below it.
        system: "linux", "darwin" or "windows".
        virtual: True on a virtual machine, None when unknown.
    """

    cores: int
    isa: str
    cpu: Mapping[str, Any]
    memory_b: int
    system: str
    virtual: bool | None = None


@dataclass(frozen=True, kw_only=True)
class NodeTime:
    """Wall time inside one node of a graph, as an engine's own profiler says it.

    Args:
        name: The engine's name of the node.
        op: What it does, as "Conv".
        wall_s: Seconds per call.
        layer: Dotted name of the layer whose weights it uses, or whose result it works on; empty when the engine does not know.
    """

    name: str
    op: str
    wall_s: float
    layer: str = ""


class Session(ABC):
    """A loaded graph in an engine."""

    @abstractmethod
    def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one batch: input name -> array in, output name -> array out."""

    def close(self) -> None:  # noqa: B027 an engine with nothing to free has nothing to do
        """Free what the engine holds; later calls to `run` are undefined."""


def cannot_answer(engine: str, error: Exception) -> BadData:
    """What a session raises where its engine refuses a feed: a shape, a type, an amount of memory that the graph cannot bear."""
    return BadData(f"{engine} cannot answer these inputs: {type(error).__name__}: {' '.join(str(error).split())[:300]}")


class Runtime(ABC):
    """An engine. A unit's name is its class name in snake case.

    Args:
        form: The form of the graphs that it takes.
        package: What has to be installed, as the index names it.
        extra: Paredown's extra that installs it; empty where the base install has it.
        precisions: What it can compute in.
        use_when: Completes "Use it when ...".
    """

    form: ClassVar[str]
    package: ClassVar[str]
    extra: ClassVar[str] = ""
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    use_when: ClassVar[str] = ""

    @classmethod
    def name(cls) -> str:
        """The name used in recipes."""
        return snake(cls.__name__)

    @abstractmethod
    def ready(self, host: Host) -> str | None:
        """None when the engine can run here, else the reason and the way out."""

    def fits(self, candidate: Candidate) -> str | None:
        """None when the engine can run this candidate, else the reason why not."""
        return None if candidate.form == self.form else f"{self.name()} runs {self.form} graphs; this one is in {candidate.form} form."

    @abstractmethod
    def export(self, candidate: Candidate, store: Store, folder: Path) -> dict[str, Any]:
        """Write the engine's files into `folder`; the only method that may need heavy packages.

        Returns:
            {"file": name of the main file, "inputs": [...], "outputs": [...], "multiply_adds": int or None, "parameters": int or None}.
        """

    @abstractmethod
    def open(self, folder: Path, file: str, placement: Mapping[str, Any]) -> Session:
        """Load an exported graph.

        Args:
            folder: As given to `export`.
            file: Name of the main file.
            placement: {"threads": int, "device": "cpu", ...}.
        """

    def profile(
        self, folder: Path, file: str, placement: Mapping[str, Any], feeds: Sequence[Mapping[str, Any]], seconds: float
    ) -> Sequence[NodeTime] | Missing:
        """Where the time of answering goes, node by node; no file of it stays behind.

        Args:
            folder, file, placement: As given to `open`.
            feeds: Answered in turn.
            seconds: About how long to answer, after a warm-up.

        Returns:
            The nodes in the order in which they run, or Missing where the engine cannot say.
        """
        return Missing(quantity="graph_time", reason=f"{self.name()} does not say where its time goes.")

    def simplify(self, file: Path, target: Path) -> bool:
        """Write a graph with all that is constant in it worked out, in the same form; False where the engine writes none, which is the
        default."""
        return False

    @abstractmethod
    def version(self) -> str:
        """The engine's version."""
