"""Runs bsctl as a person would, and says what came of it. Every command has a time limit: to hang is to fail."""
import hashlib
import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

TIMEOUT_SECONDS = 120
KILLED = -9
DONE, FAILED, NOT_FOUND, LOST, DEGRADED = 0, 1, 3, 4, 6


class Broken(Exception):
    """A promise that was not kept. `kind` is lost, altered or wrong."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code, or minus the signal that ended it."""

    code: int
    output: bytes
    complaints: str


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Bsctl:
    """The program and one store. What it did stands in `history`, oldest first."""

    program: Path
    home: Path
    history: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.history.append(text)

    def start(self, words: list[str], stdin: Any = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [str(self.program), "--store", str(self.home), *words], stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def finish(self, process: "subprocess.Popen[bytes]", words: list[str]) -> Outcome:
        try:
            output, complaints = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Broken("wrong", f"{line(words)} did not end within {TIMEOUT_SECONDS} s") from None
        text = complaints.decode(errors="replace")
        self.note(f"{line(words)}: {process.returncode}" + (f"\n        {text.strip()}" if text.strip() else ""))
        return Outcome(process.returncode, output, text)

    def attempt(self, *words: str, stdin: Path | None = None) -> Outcome:
        """Runs a command to its end, whatever that is."""
        if stdin is None:
            return self.finish(self.start(list(words)), list(words))
        with stdin.open("rb") as source:
            return self.finish(self.start(list(words), source), list(words))

    def run(self, *words: str, codes: tuple[int, ...] = (DONE,), stdin: Path | None = None) -> Outcome:
        """Runs a command that must end with one of `codes`."""
        outcome = self.attempt(*words, stdin=stdin)
        require_code(outcome, codes, list(words))
        return outcome

    def run_killed(
        self, words: list[str], is_time: Callable[[float], bool], stdin: Any = subprocess.DEVNULL,
        feed: Callable[["subprocess.Popen[bytes]"], None] | None = None,
    ) -> tuple[Outcome, float]:
        """Kills a command as soon as `is_time(seconds since its start)`; it may end by itself before.

        Returns the outcome, and how many seconds the command had.
        """
        start = time.monotonic()
        process = self.start(words, stdin)
        if feed:
            feed(process)
        while process.poll() is None:
            elapsed = time.monotonic() - start
            if is_time(elapsed):
                process.kill()
                break
            time.sleep(0.0002)
        elapsed = time.monotonic() - start
        return self.finish(process, words), elapsed

    def document(self, *words: str, codes: tuple[int, ...] = (DONE,)) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self.run(*words, "--json", codes=codes).output)
        return result

    def listing(self) -> dict[str, dict[str, Any]]:
        """Everything the store lists, by key."""
        return {entry["key"]: entry for entry in self.document("ls")["objects"]}

    def devices(self, in_service: bool = False) -> dict[str, Path]:
        """Where each device is, by label; on demand only of those in service."""
        found = self.document("device", "ls", codes=(DONE, DEGRADED))["devices"]
        return {
            device["label"]: Path(device["path"])
            for device in found if device["path"] and (device["inService"] or not in_service)
        }


def line(words: list[str]) -> str:
    return "bsctl " + " ".join(words)


def require_code(outcome: Outcome, codes: tuple[int, ...], words: list[str]) -> None:
    if outcome.code not in codes:
        kind = "lost" if outcome.code == LOST else "wrong"
        expected = " or ".join(map(str, codes))
        text = f"{line(words)} ended with {outcome.code}, expected {expected}: {outcome.complaints.strip()}"
        raise Broken(kind, text)


def require_no_temporaries(devices: list[Path]) -> None:
    for device in devices:
        temporaries = device / "tmp"
        try:
            names = os.listdir(temporaries)
        except OSError:
            # Gone or failing: nothing can be removed there either.
            continue
        if names:
            raise Broken("wrong", f"temporaries are left in {temporaries}: {', '.join(sorted(names))}")
