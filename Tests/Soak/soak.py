"""Runs the whole test programme of docs/testing.md for as long as it is told, and writes a report."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORES = os.cpu_count() or 1
FUZZ_TARGETS = 7
# Simulations run on one thread: they are left to the optimised programs.
THREADED = "RoundTripTests|DeviceConformanceTests|FailingFilesTests|GoldenStoreTests|IndexTests|ErasureTests|ChunkerTests"


@dataclass
class Result:
    """What one part did, in a line, and whether every promise was kept."""

    name: str
    figures: str
    is_kept: bool
    seconds: int


def run(*words: str) -> tuple[str, bool]:
    """Runs a command and shows what it prints; returns that, and whether it ended well."""
    print(f"$ {' '.join(words)}", flush=True)
    lines: list[str] = []
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip("\n"))
            print(f"  {lines[-1]}", flush=True)
    return "\n".join(lines), process.returncode == 0


def last(output: str, beginning: str) -> str:
    """The last line that begins so; the last of all where none does."""
    found = [line for line in output.splitlines() if line.startswith(beginning)]
    return (found or output.splitlines()[-1:] or ["nothing was printed"])[-1]


def lives(minutes: float, seeds: int | None, first: int) -> tuple[str, bool]:
    """So many lives, or as many as fit."""
    done, broken = 0, 0
    end = time.monotonic() + minutes * 60
    is_kept = True
    while done < seeds if seeds else time.monotonic() < end:
        count = min(500 * CORES, (seeds or 1 << 60) - done)
        output, is_well = run("scripts/sim", "--seeds", str(count), "--first", str(first + done))
        summaries = re.findall(r"^\d+ lives of \d+ steps from seed \d+: (\d+) with", output, re.MULTILINE)
        broken += sum(map(int, summaries))
        is_kept = is_kept and is_well and bool(summaries)
        done += count
    return f"{done:,} lives of 30 steps (seeds {first} to {first + done - 1}), {broken} with a broken promise", is_kept


def simulation(*words: str) -> tuple[str, bool]:
    output, is_well = run("scripts/sim", *words)
    if "--mutants" in words:
        return last(output, "mutants:"), is_well
    return last(output, words[0].removeprefix("--").replace("-", " ") + ":"), is_well


def script(name: str, beginning: str, *words: str) -> tuple[str, bool]:
    output, is_well = run(f"scripts/{name}", *words)
    return last(output, beginning), is_well


def fuzz(seconds: int) -> tuple[str, bool]:
    output, is_well = run("scripts/fuzz", "--seconds", str(seconds))
    runs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+) runs in", output, re.MULTILINE)}
    each = ", ".join(f"{name} {count:,}" for name, count in runs.items())
    return f"{len(runs)} targets, {seconds:,} s each, {sum(runs.values()):,} inputs ({each})", is_well


def suite(*words: str) -> tuple[str, bool]:
    scratch = [] if not words[0].startswith("--sanitize") else ["--scratch-path", f".build-{words[0].split('=')[1]}"]
    output, is_well = run("env", "ASAN_OPTIONS=detect_leaks=0", "swift", "test", *scratch, *words)
    executed = re.findall(r"Executed (\d+) tests?, with (?:(\d+) tests? skipped and )?(\d+) failures?", output)
    warnings = len(re.findall(r"WARNING: ThreadSanitizer|ERROR: AddressSanitizer", output))
    tests, skipped, failures = executed[-1] if executed else ("0", "", "?")
    skips = f", {skipped} skipped" if skipped else ""
    return f"{tests} tests{skips}, {failures} failures, {warnings} reports", is_well and bool(executed) and not warnings


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long, about; what is exhaustive may take longer")
    parser.add_argument("--full", action="store_true", help="the counts of README's table, however long they take")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--only", action="append", metavar="PART", help="this part alone; may be repeated")
    parser.add_argument("--report", type=Path, default=ROOT / ".build" / "soak.md")
    parser.add_argument("--list", action="store_true", help="names the parts")
    arguments = parser.parse_args()
    full: bool = arguments.full
    # What is not exhaustive shares the time.
    minutes: float = arguments.minutes

    def when_full(count: int, otherwise: int) -> str:
        return str(count if full else max(1, otherwise))

    parts: dict[str, Callable[[], tuple[str, bool]]] = {
        "lives": lambda: lives(minutes * 0.35, 10_000 if full else None, arguments.first),
        "crash-points": lambda: simulation("--crash-points", *(["--thorough"] if full else [])),
        "mutants": lambda: simulation("--mutants", "--seeds", when_full(100, int(minutes))),
        "positions": lambda: simulation("--positions"),
        "patterns": lambda: simulation("--patterns"),
        "failing-calls": lambda: script(
            "failing-calls", "failing calls:", "--jobs", str(CORES), "--seed", str(arguments.first),
            "--every", when_full(10, int(2000 / minutes))),
        "kills": lambda: script(
            "kills", "kills:", "--jobs", str(CORES), "--seed", str(arguments.first),
            "--kills", when_full(2000, int(minutes * 20))),
        "fuzz": lambda: fuzz(3600 if full else max(5, int(minutes * 60 * 0.25 / FUZZ_TARGETS))),
        "filesystems": lambda: script("filesystems", "filesystems:"),
        "reader": lambda: suite("--filter", "IndependentReader|GoldenStore"),
        "threads": lambda: suite("--sanitize=thread", "--filter", THREADED),
        "addresses": lambda: suite("--sanitize=address", "--filter", f"{THREADED}|FormatTests|FuzzTests|DamageTests"),
    }
    if arguments.list:
        print("\n".join(parts))
        return 0
    unknown = set(arguments.only or ()) - set(parts)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")

    commit, _ = run("git", "describe", "--always", "--dirty", "--abbrev=10")
    results: list[Result] = []
    for name, part in parts.items():
        if arguments.only and name not in arguments.only:
            continue
        start = time.monotonic()
        figures, is_kept = part()
        results.append(Result(name, figures, is_kept, int(time.monotonic() - start)))
        write(arguments.report, commit, results)
    print(f"\n{arguments.report.read_text()}\nreport: {arguments.report}")
    return 0 if all(result.is_kept for result in results) else 1


def write(report: Path, commit: str, results: list[Result]) -> None:
    """Writes the report after each part: whoever interrupts the run has what was done."""
    rows = [
        f"| {result.name} | {result.figures} | {'kept' if result.is_kept else '**BROKEN**'} | {result.seconds} |"
        for result in results
    ]
    head = [
        f"Commit {commit}, {date.today().isoformat()}, {CORES} cores.", "",
        "| part | what was tried | promises | s |", "|---|---|---|---|",
    ]
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("\n".join(head + rows) + "\n")


if __name__ == "__main__":
    sys.exit(main())
