#!/usr/bin/env python3
"""Makes every file call of bsctl fail, one at a time, and checks what the README promises.

Every workload runs on a copy of a small prepared store, under Tests/Faults/faults.c, once for each call
in a scope (a device, two devices, the home with its index, the input, the output) and each failure: an
errno once or for good, a call that is done and reported as failed, interrupted calls, short ones. What
came out of it is judged by healthy commands afterwards. docs/testing.md, "Failing calls".
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

TIMEOUT_SECONDS = 30
DISKS = 5
TOLERANCE = 2  # of rs:2+2
SKIPPED = 77  # exit code where there is no C compiler
ROOT = Path(__file__).resolve().parents[2]

Objects = dict[str, bytes]


# --- Failures


@dataclass(frozen=True)
class Failure:
    """How calls fail. `kinds` are those of faults.c; all where empty."""

    name: str
    plan: str
    kinds: str = ""
    must_be_invisible: bool = False


ALLOCATING = "create,write,size,sync,name,make"
WRITING = "create,write,size,sync,close,name,make,remove,attributes"
INTERRUPTIBLE = "open,create,read,write,size,space,lock"

FAILURES = [
    Failure("eio-once", "errno=EIO"),
    Failure("eio-for-good", "errno=EIO;until=forgood"),
    Failure("eio-writes-for-good", "errno=EIO;until=forgood", WRITING),
    Failure("eio-late", "errno=EIO;how=late", "create,write,sync,name,make,remove"),
    Failure("enospc-once", "errno=ENOSPC", ALLOCATING),
    Failure("enospc-for-good", "errno=ENOSPC;until=forgood", ALLOCATING),
    Failure("erofs-once", "errno=EROFS", WRITING),
    Failure("erofs-for-good", "errno=EROFS;until=forgood", WRITING),
    Failure("eintr-once", "errno=EINTR", INTERRUPTIBLE, must_be_invisible=True),
    Failure("eintr-storm", "errno=EINTR;until=storm", INTERRUPTIBLE, must_be_invisible=True),
    # Never retried: what an interrupted sync or close did is not known.
    Failure("eintr-sync", "errno=EINTR", "sync,close"),
    Failure("short-once", "how=short", "read,write", must_be_invisible=True),
    Failure("short-for-good", "how=short;until=forgood", "read,write", must_be_invisible=True),
]


# --- Content


def content(seed: int, count: int) -> bytes:
    """Bytes that do not compress and repeat nothing."""
    return random.Random(seed).randbytes(count)


# More than a megabyte a shard: space is reserved for those alone.
LARGE = content(1, 2_400_000)
OLD: Objects = {
    "o/large": LARGE,
    "o/small": content(2, 70_000),
    "o/text": b"the same line again and again\n" * 3_000,
    "o/empty": b"",
    "o/tree/a": content(3, 20_000),
    "o/tree/sub/b": content(4, 9_000),
}
# Shares its first half with what is stored already.
OVERWRITING = LARGE[:1_200_000] + content(5, 300_000)
NEW = content(6, 2_300_000)
TREE: Objects = {"o/new/x": content(7, 60_000), "o/new/sub/y": content(8, 1_000), "o/new/sub/z": LARGE[:500_000]}
AFTER = content(9, 5_000)


# --- Workloads


@dataclass(frozen=True)
class Workload:
    """A command on a prepared store. `{in}`, `{out}` and `{store}` in its words are paths."""

    name: str
    base: str
    words: str
    scopes: tuple[str, ...] = ("device", "devices", "home")
    # What it stores (None: removes) when it is acknowledged.
    stores: dict[str, bytes | None] = field(default_factory=dict)


WORKLOADS = [
    Workload(
        "put-new", "whole", "put {in}/new o/new-object", ("device", "devices", "home", "input"), {"o/new-object": NEW}
    ),
    Workload("put-over", "whole", "put {in}/over o/large", stores={"o/large": OVERWRITING}),
    Workload(
        "put-tree",
        "whole",
        "put -r {in}/tree o/new",
        ("device", "devices", "home", "input"),
        dict(TREE),
    ),
    Workload("put-degraded", "degraded", "put {in}/over o/large", stores={"o/large": OVERWRITING}),
    Workload("rm", "whole", "rm o/small o/text", stores={"o/small": None, "o/text": None}),
    Workload("get", "whole", "get o/large {out}/large", ("device", "devices", "home", "output")),
    Workload("get-tree", "whole", "get -r o {out}/tree", ("device", "devices", "home", "output")),
    Workload("repair", "lost", "repair"),
    Workload("scrub-repair", "rotten", "scrub --repair"),
    Workload("index-rebuild", "whole", "index rebuild"),
    Workload("device-replace", "lost", "device replace disk-2"),
    Workload("device-add", "whole", "device add {store}/disk-6"),
    Workload("device-drain", "whole", "device drain disk-2"),
    Workload("device-relabel", "whole", "device relabel disk-2 second"),
    Workload("init", "nothing", f"init {{store}} --disks {DISKS} --profile rs:2+2"),
    Workload("ls", "whole", "ls --json"),
    Workload("stat", "whole", "stat o/large --json"),
    Workload("status", "whole", "status --json"),
]


# --- Running


@dataclass
class Outcome:
    code: int  # negative: the signal
    output: bytes
    complaints: str
    hung: bool = False
    # Calls in scope, by kind.
    counted: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    first: str = ""


@dataclass(frozen=True)
class Problem:
    kind: str  # lost, altered, left behind, noticed, blocked, refused, code, trap, hang
    text: str


@dataclass(frozen=True)
class Case:
    workload: Workload
    scope: str
    failure: Failure
    call: int

    @property
    def name(self) -> str:
        return f"{self.workload.name}/{self.scope}/{self.failure.name}/{self.call}"


class World:
    """A directory in which one thread runs cases. Stores keep the paths of their devices: every copy
    stands where its original stood."""

    def __init__(self, directory: Path, bsctl: str, shim: Path, is_strict: bool) -> None:
        self.directory = directory
        self.bsctl = bsctl
        self.shim = shim
        self.is_strict = is_strict
        self.store = directory / "store"
        self.inputs = directory / "in"
        self.outputs = directory / "out"
        self.away = directory / "away"
        self.listing = b""
        self.clean: dict[str, Outcome] = {}
        self.prepare()

    # Commands.

    def run(self, words: str, plan: str | None = None) -> Outcome:
        paths = {"in": str(self.inputs), "out": str(self.outputs), "store": str(self.store)}
        command = [self.bsctl, *(word.format(**paths) for word in words.split())]
        environment = {"PATH": "/usr/bin:/bin", "BSCTL_STORE": str(self.store), "SWIFT_BACKTRACE": "enable=no"}
        report = self.directory / "count"
        if plan is not None:
            report.unlink(missing_ok=True)
            environment |= {"LD_PRELOAD": str(self.shim), "BS_FAULT": plan, "BS_FAULT_COUNT": str(report)}
        try:
            done = subprocess.run(
                command,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(-9, b"", "", hung=True)
        outcome = Outcome(done.returncode, done.stdout, done.stderr.decode(errors="replace"))
        if plan is not None and report.exists():
            failed, *kinds = report.read_text().splitlines()
            outcome.failed, outcome.first = int(failed.split(" ", 1)[0]), failed.split(" ", 1)[1]
            outcome.counted = {kind: int(count) for kind, count in (line.split() for line in kinds)}
        return outcome

    def must(self, words: str, *codes: int) -> Outcome:
        outcome = self.run(words)
        if outcome.code not in (codes or (0,)):
            raise RuntimeError(f"bsctl {words}: exit code {outcome.code}: {outcome.complaints}")
        return outcome

    # Stores.

    def prepare(self) -> None:
        for directory in (self.inputs, self.directory / "bases", self.away):
            directory.mkdir(parents=True)
        (self.inputs / "new").write_bytes(NEW)
        (self.inputs / "over").write_bytes(OVERWRITING)
        (self.inputs / "after").write_bytes(AFTER)
        for key, value in TREE.items():
            path = self.inputs / "tree" / key.removeprefix("o/new/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value)
        self.must(f"init {{store}} --disks {DISKS} --profile rs:2+2")
        for key in ("o/large", "o/small", "o/text", "o/empty"):
            (self.inputs / "old").write_bytes(OLD[key])
            self.must(f"put {{in}}/old {key}")
        (self.inputs / "old").unlink()
        for key, value in OLD.items():
            if key.startswith("o/tree/"):
                path = self.directory / "old-tree" / key.removeprefix("o/tree/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(value)
        self.must(f"put -r {self.directory}/old-tree o/tree")
        self.listing = self.must("ls --versions --json").output
        self.keep("whole")
        self.must("simulate disk-loss disk-2")
        self.keep("lost")
        self.set_up("whole")
        self.must("simulate bit-rot --count 2 --seed 4")
        self.keep("rotten")
        self.set_up("whole")
        for disk in ("disk-1", "disk-2"):
            (self.store / disk).rename(self.away / disk)
        self.keep("degraded")
        self.set_up("nothing")

    def keep(self, base: str) -> None:
        shutil.copytree(self.store, self.directory / "bases" / base, symlinks=True)

    def set_up(self, base: str) -> None:
        for directory in (self.store, self.outputs, self.away):
            shutil.rmtree(directory, ignore_errors=True)
        self.outputs.mkdir()
        self.away.mkdir()
        if base != "nothing":
            shutil.copytree(self.directory / "bases" / base, self.store, symlinks=True)
        if base == "degraded":
            for disk in ("disk-1", "disk-2"):
                shutil.copytree(self.directory / "bases" / "whole" / disk, self.away / disk)

    def disks(self) -> list[Path]:
        return sorted(self.store.glob("disk-*"))

    # Cases.

    def plan(self, scope: str, failure: Failure, call: int | None) -> str:
        disk = [str(self.store / f"disk-{number}") for number in range(1, DISKS + 1)]
        places = {
            "device": disk[2],
            "devices": f"{disk[2]}:{disk[3]}",
            "home": str(self.store),
            "input": str(self.inputs),
            "output": str(self.outputs),
        }
        plan = f"scope={places[scope]};{failure.plan}"
        if scope == "home":
            plan += ";except=" + ":".join(disk)
        if failure.kinds:
            plan += f";kinds={failure.kinds}"
        return plan if call is None else f"{plan};call={call}"

    def count(self, workload: Workload, scope: str) -> dict[str, int]:
        """How many calls of each kind there are to fail. Also notes what the command does without a fault."""
        self.set_up(workload.base)
        outcome = self.run(workload.words, self.plan(scope, Failure("none", "errno=EIO"), None))
        if outcome.code not in (0, 6) or not outcome.counted:
            raise RuntimeError(f"{workload.name} fails without a fault: {outcome.code}: {outcome.complaints}")
        self.clean.setdefault(workload.name, outcome)
        return outcome.counted

    def try_case(self, case: Case) -> tuple[Outcome, list[Problem]]:
        if case.workload.name not in self.clean:
            self.count(case.workload, case.scope)
        self.set_up(case.workload.base)
        outcome = self.run(case.workload.words, self.plan(case.scope, case.failure, case.call))
        return outcome, list(Judge(self, case, outcome).problems())


# --- Judging


class Judge:
    """What must hold after a command whose calls failed, found out by healthy commands."""

    def __init__(self, world: World, case: Case, outcome: Outcome) -> None:
        self.world = world
        self.case = case
        self.workload = case.workload
        self.outcome = outcome
        self.random = random.Random(case.name)
        self.is_acknowledged = outcome.code in (0, 6)

    def problems(self) -> Iterator[Problem]:
        outcome, workload = self.outcome, self.workload
        if outcome.hung:
            yield Problem("hang", f"no end after {TIMEOUT_SECONDS} s")
        elif outcome.code < 0:
            yield Problem("trap", f"ended by signal {-outcome.code}: {outcome.complaints[-300:]}")
        elif outcome.code not in (0, 1, 5, 6, *((4,) if self.is_beyond_tolerance() else ())):
            yield Problem("code", f"exit code {outcome.code}")
        clean = self.world.clean[workload.name]
        if self.case.failure.must_be_invisible and outcome.code != clean.code:
            yield Problem("noticed", f"exit code {outcome.code} in place of {clean.code}")
        if self.world.is_strict and outcome.code not in (0, 6) and self.must_serve():
            yield Problem("refused", f"exit code {outcome.code}: {outcome.complaints[-300:]}")
        yield from self.reports(clean)
        yield from self.restored()
        if workload.base == "nothing":
            yield from self.made()
        else:
            yield from self.kept()

    def is_beyond_tolerance(self) -> bool:
        """Whether so much is away that the command may take objects for lost."""
        away = {"whole": 0, "lost": 1, "degraded": 2, "rotten": 1, "nothing": 0}[self.workload.base]
        return away + {"device": 1, "devices": 2}.get(self.case.scope, 0) > TOLERANCE

    def must_serve(self) -> bool:
        """Whether enough devices are well for the command to succeed: all of the tolerance may fail a read, one of
        five a write of four shards."""
        if self.workload.base != "whole" or self.case.scope not in ("device", "devices"):
            return False
        return self.case.scope == "device" or not self.workload.stores

    def reports(self, clean: Outcome) -> Iterator[Problem]:
        """What ls, stat and status say is right, or they fail."""
        if self.outcome.code != 0 or self.workload.name not in ("ls", "stat", "status"):
            return
        # Unknown where the device cannot tell.
        free = re.compile(rb'"(free|total)Bytes":(\d+|null)')
        if free.sub(b"", self.outcome.output) != free.sub(b"", clean.output):
            yield Problem("altered", "the report differs from that without a fault")

    def restored(self) -> Iterator[Problem]:
        """A get leaves what is whole and right, or nothing."""
        root = self.world.outputs
        found = {
            str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if not path.is_dir()
        }
        expected: Objects = {}
        if self.workload.name == "get":
            expected = {"large": OLD["o/large"]}
        elif self.workload.name == "get-tree":
            expected = {"tree/" + key.removeprefix("o/"): value for key, value in OLD.items()}
        for name, value in found.items():
            if name not in expected:
                yield Problem("left behind", f"{name} in the output")
            elif value != expected[name]:
                yield Problem("altered", f"wrong bytes in {name}, exit code {self.outcome.code}")
            elif self.workload.name == "get" and self.outcome.code != 0:
                yield Problem("left behind", f"{name} stands although the command failed")
        if self.outcome.code == 0:
            for name in expected.keys() - found.keys():
                yield Problem("lost", f"exit code 0 without {name}")

    def made(self) -> Iterator[Problem]:
        """An init that failed can be repeated; either way there is a store."""
        world = self.world
        if self.outcome.code != 0:
            again = world.run(self.workload.words)
            if again.code != 0 and world.run("status").code not in (0, 6):
                yield Problem("blocked", f"init again: exit code {again.code}: {again.complaints[-300:]}")
                return
        yield from self.put_after()
        yield from self.reads({"o/after": AFTER}, {}, "after the init")
        yield from self.temporaries()

    def kept(self) -> Iterator[Problem]:
        workload, world = self.workload, self.world
        new: dict[str, bytes | None] = {key: OLD.get(key) for key in workload.stores}
        if self.is_acknowledged:
            new = dict(workload.stores)
        # Open is which version stands where a put cannot say it; a tree is stored without what cannot be read.
        is_open = self.outcome.code == 1 and (
            "cannot say whether this was stored" in self.outcome.complaints
            or (workload.name == "put-tree" and self.case.scope == "input")
        )
        other: dict[str, bytes | None] = dict(workload.stores) if is_open else {}
        expected = {key: value for key, value in (OLD | new).items() if value is not None}

        yield from self.mended()
        for disk in self.spare_disks():
            disk.rename(world.away / disk.name)
        if self.random.randrange(4) == 0:
            for path in world.store.glob("index.db*"):
                path.unlink()
        if workload.base == "degraded":
            yield from self.degraded()
        else:
            gone = sorted(path.name for path in world.away.iterdir())
            yield from self.reads(expected, other, f"without {', '.join(gone) or 'a fault'}")
        for path in world.away.iterdir():
            path.rename(world.store / path.name)
        yield from self.put_after()
        yield from self.reads(expected | {"o/after": AFTER}, other, "with every device back")
        yield from self.listed()
        yield from self.temporaries()

    def spare_disks(self) -> list[Path]:
        """Devices whose loss must cost nothing now."""
        disks = self.world.disks()
        count = TOLERANCE
        if self.workload.base == "lost":
            count = TOLERANCE if self.workload.name == "repair" and self.outcome.code == 0 else TOLERANCE - 1
            disks = [disk for disk in disks if disk.name != "disk-2" or count == TOLERANCE]
        elif self.workload.base == "rotten":
            # Exit code 6 says that there was damage, mended or not.
            count = TOLERANCE if self.world.run("scrub").code == 0 else 0
        elif self.workload.base == "degraded":
            count = 1 if self.is_acknowledged else 0
        elif self.outcome.code == 6 and self.workload.stores:
            count = 0
        return self.random.sample(disks, count)

    def degraded(self) -> Iterator[Problem]:
        """What was put without two devices survives a third."""
        if not self.is_acknowledged:
            return
        found = self.world.run("get o/large {out}/degraded")
        path = self.world.outputs / "degraded"
        if found.code != 0 or path.read_bytes() != OVERWRITING:
            yield Problem("lost", f"a degraded put with one more device gone: {found.code}: {found.complaints[-300:]}")

    def reads(self, expected: Objects, other: dict[str, bytes | None], when: str) -> Iterator[Problem]:
        """Every object reads as expected, those in `other` as that if they like; nothing else is there."""
        target = self.world.directory / "read"
        shutil.rmtree(target, ignore_errors=True)
        outcome = self.world.run(f"get -r o {target}")
        if outcome.code != 0:
            yield Problem("lost", f"{when}, get -r: exit code {outcome.code}: {outcome.complaints[-400:]}")
        found = {
            "o/" + str(path.relative_to(target)): path.read_bytes()
            for path in sorted(target.rglob("*"))
            if path.is_file()
        }
        for key in sorted(expected.keys() | found.keys()):
            value = found.get(key)
            if value != expected.get(key) and (key not in other or value != other[key]):
                kind = "lost" if self.is_acknowledged or key not in self.workload.stores else "altered"
                state = "is there" if key not in expected else "is missing" if value is None else "has wrong bytes"
                yield Problem(kind, f"{when}, {key} {state}, after exit code {self.outcome.code}")

    def put_after(self) -> Iterator[Problem]:
        outcome = self.world.run("put {in}/after o/after")
        if outcome.code not in (0, 6):
            yield Problem("blocked", f"the next put: exit code {outcome.code}: {outcome.complaints[-300:]}")

    def mended(self) -> Iterator[Problem]:
        """A repair that said it is done leaves nothing owed."""
        if self.workload.name == "repair" and self.outcome.code == 0:
            status = self.world.run("status")
            if status.code != 0:
                yield Problem("lost", f"repair exits 0, status {status.code}: {status.output.decode()[-300:]}")

    def listed(self) -> Iterator[Problem]:
        """A rebuilt index lists what the old one did."""
        if self.workload.name == "index-rebuild":
            listing = json.loads(self.world.run("ls --versions --json").output)["objects"]
            before = json.loads(self.world.listing)["objects"]
            if [item for item in listing if item["key"] != "o/after"] != before:
                yield Problem("altered", "the listing differs from that before")

    def temporaries(self) -> Iterator[Problem]:
        """After the next writer nothing temporary is left."""
        for path in sorted(self.world.store.glob("disk-*/tmp/*")):
            yield Problem("left behind", str(path.relative_to(self.world.store)))
        known = {"store.json", "lock", "index.db", "index.db-wal", "index.db-shm", "files.db", "files.db-wal", "noticed"}
        # One more may have been added.
        known |= {f"disk-{number}" for number in range(1, DISKS + 2)}
        for name in sorted({path.name for path in self.world.store.iterdir()} - known):
            yield Problem("left behind", name)


# --- The whole


@dataclass
class Tally:
    runs: int = 0
    # Runs in which the call came: with several threads there are not always equally many.
    struck: int = 0
    # Runs that did not do what they were asked, though no more devices failed than may.
    refused: int = 0
    problems: dict[str, int] = field(default_factory=dict)


class Campaign:
    """All cases, on several worlds at once. `lock` guards the tallies."""

    def __init__(self, worlds: list[World], report: Callable[[str], None]) -> None:
        self.free = list(worlds)
        self.lock = threading.Lock()
        self.report = report
        self.tallies: dict[str, Tally] = {}
        self.findings: list[dict[str, object]] = []
        self.refusals: dict[str, int] = {}

    def on_a_world(self, body: Callable[[World], None]) -> None:
        with self.lock:
            world = self.free.pop()
        try:
            body(world)
        finally:
            with self.lock:
                self.free.append(world)

    def run(self, case: Case) -> None:
        self.on_a_world(lambda world: self.note(case, *world.try_case(case)))

    def note(self, case: Case, outcome: Outcome, problems: list[Problem]) -> None:
        with self.lock:
            tally = self.tallies.setdefault(case.workload.name, Tally())
            tally.runs += 1
            tally.struck += outcome.failed > 0
            if outcome.code not in (0, 6):
                tally.refused += 1
                call = outcome.first.split(" ")[0]
                self.refusals[f"{case.workload.name}/{case.scope}/{case.failure.name}/{call}"] = (
                    self.refusals.get(f"{case.workload.name}/{case.scope}/{case.failure.name}/{call}", 0) + 1
                )
            for problem in problems:
                tally.problems[problem.kind] = tally.problems.get(problem.kind, 0) + 1
                self.findings.append(
                    {
                        "case": case.name,
                        "kind": problem.kind,
                        "text": problem.text,
                        "first": outcome.first,
                        "code": outcome.code,
                        "complaints": outcome.complaints[-600:],
                    }
                )
        for problem in problems:
            self.report(
                f"{problem.kind}: {case.name} ({outcome.first}): {problem.text}\n"
                f"    again: scripts/failing-calls --only {case.name}"
            )

    def total(self, kind: str) -> int:
        return sum(tally.problems.get(kind, 0) for tally in self.tallies.values())


def compile_shim(directory: Path) -> Path | None:
    """The shim, or None where there is no C compiler."""
    compiler = shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        return None
    shim = directory / "faults.so"
    source = ROOT / "Tests" / "Faults" / "faults.c"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(shim), str(source), "-ldl"], check=True)
    return shim


Counts = dict[tuple[str, str], dict[str, int]]  # (workload, scope) → kind of call → calls


def plan_cases(
    world: World,
    workloads: list[Workload],
    scopes: list[str],
    failures: list[Failure],
    arguments: argparse.Namespace,
    counts: Counts,
) -> Iterator[Case]:
    every: int = arguments.every
    for workload in workloads:
        for scope in (scope for scope in workload.scopes if scope in (scopes or workload.scopes)):
            if arguments.call is None:
                # Twice: which devices a block goes to is chance.
                one, two = world.count(workload, scope), world.count(workload, scope)
                counts[workload.name, scope] = {kind: max(count, two[kind]) for kind, count in one.items()}
            for failure in failures:
                if arguments.call is not None:
                    calls = range(arguments.call, arguments.call + 1)
                else:
                    counted = counts[workload.name, scope]
                    last = sum(counted[kind] for kind in (failure.kinds.split(",") if failure.kinds else counted))
                    name = f"{arguments.seed}/{workload.name}/{scope}/{failure.name}"
                    calls = range(1 + zlib.crc32(name.encode()) % every, last + 1, every)
                for call in calls:
                    yield Case(workload, scope, failure, call)


def parse_case(text: str) -> Case:
    workload, scope, failure, call = text.split("/")
    return Case(
        next(item for item in WORKLOADS if item.name == workload),
        scope,
        next(item for item in FAILURES if item.name == failure),
        int(call),
    )


def show(world: World, case: Case) -> int:
    """One case, told in full."""
    world.count(case.workload, case.scope)
    outcome, problems = world.try_case(case)
    print(f"{case.name}: exit code {outcome.code}, {outcome.failed} calls failed, first {outcome.first}")
    print(outcome.complaints, end="")
    for problem in problems:
        print(f"{problem.kind}: {problem.text}")
    return 1 if problems else 0


def summary(campaign: Campaign, seconds: float, is_strict: bool) -> str:
    names = {"noticed": "interruptions noticed", "blocked": "blocked", "code": "wrong exit codes"}
    parts = [f"{sum(tally.runs for tally in campaign.tallies.values()):,} runs"]
    for kind in ("lost", "altered", "left behind", "noticed", "blocked", "code"):
        parts.append(f"{campaign.total(kind):,} {names.get(kind, kind)}")
    if is_strict:
        parts.append(f"{campaign.total('refused'):,} refused")
    for kind in ("trap", "hang"):
        parts.append(f"{campaign.total(kind):,} {kind}s")
    return f"failing calls: {len(campaign.tallies)} workloads, {', '.join(parts)}, {seconds:.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bsctl", required=True, help="the binary to run")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="every K-th call only")
    parser.add_argument("--seed", type=int, default=1, help="which of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--workload", action="append", choices=[item.name for item in WORKLOADS])
    parser.add_argument("--scope", action="append", choices=["device", "devices", "home", "input", "output"])
    parser.add_argument("--failure", action="append", choices=[item.name for item in FAILURES])
    parser.add_argument("--call", type=int, metavar="N", help="in place of every K-th: the N-th alone")
    parser.add_argument("--only", type=parse_case, metavar="CASE", help="one case, as a finding names it")
    parser.add_argument("--strict", action="store_true", help="what enough devices could serve must succeed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--keep", action="store_true", help="keep the directory of the runs")
    arguments = parser.parse_args()

    start = time.monotonic()
    # What is tested here are calls, not disks: in memory, where there is such a place.
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="failing-calls.", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        shim = compile_shim(directory)
        if shim is None:
            print("failing calls: skipped, there is no C compiler (clang or cc)")
            return SKIPPED
        jobs = 1 if arguments.only else arguments.jobs
        places = [directory / f"world-{number}" for number in range(jobs)]
        worlds = [World(place, arguments.bsctl, shim, arguments.strict) for place in places]
        if arguments.only:
            return show(worlds[0], arguments.only)
        campaign = Campaign(worlds, lambda text: print(text, flush=True))
        workloads = [item for item in WORKLOADS if item.name in (arguments.workload or [item.name])]
        counts: Counts = {}
        failures = [item for item in FAILURES if item.name in (arguments.failure or [item.name])]
        cases = list(plan_cases(worlds[0], workloads, arguments.scope or [], failures, arguments, counts))
        with ThreadPoolExecutor(jobs) as pool:
            for done in [pool.submit(campaign.run, case) for case in cases]:
                done.result()
        seconds = time.monotonic() - start
        if arguments.json:
            write_figures(arguments.json, campaign, counts, arguments.every, arguments.seed, seconds)
        print(summary(campaign, seconds, arguments.strict))
        return 1 if campaign.findings else 0
    finally:
        if arguments.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def write_figures(path: Path, campaign: Campaign, counts: Counts, every: int, seed: int, seconds: float) -> None:
    figures = {
        "every": every,
        "seed": seed,
        "seconds": round(seconds, 1),
        "workloads": {name: vars(tally) for name, tally in campaign.tallies.items()},
        "calls": {f"{workload}/{scope}": sum(kinds.values()) for (workload, scope), kinds in counts.items()},
        "refusals": dict(sorted(campaign.refusals.items())),
        "findings": campaign.findings,
    }
    path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
