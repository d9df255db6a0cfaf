"""kill -9 of the real bsctl, thousands of times, against a model outside of the store (scripts/kills)."""
import argparse
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from bsctl import (
    DEGRADED, DONE, FAILED, KILLED, NOT_FOUND, Broken, Bsctl, Outcome, digest, require_code,
    require_no_temporaries)
from model import DIRECTORY, Content, Model
from operations import ROOT, Operation, Operations

# After so many kills a new store begins: old versions keep their space.
KILLS_OF_A_LIFE = 200
# Disks, profile, how many disks may be lost, and with how few in service a put is accepted.
SHAPES = [(6, "rs:4+2", 2, 5), (5, "rs:2+2", 2, 3), (4, "rs:3+1", 1, 4), (6, "rs:2+3", 3, 3)]
ANCHOR_BYTES = 700_000


@dataclass
class Figures:
    kills: int = 0
    hits: int = 0
    commands: int = 0
    reads: int = 0
    wiped: int = 0
    doubts: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    hits_by_kind: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Figures") -> None:
        for name in ("kills", "hits", "commands", "reads", "wiped", "doubts"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("by_kind", "hits_by_kind", "failures"):
            getattr(self, name).update(getattr(other, name))


class Life:
    """One store from its making to its last check.

    `lost` are the labels of devices that hold less than they should. `whole` says that since the last kill
    a writer came to its end with all devices there: only then does anything survive any t losses.
    """

    def __init__(self, program: Path, directory: Path, seed: str, figures: Figures, typical: dict[str, float]) -> None:
        self.chance = random.Random(seed)
        self.directory = directory
        self.figures = figures
        self.typical = typical
        self.bsctl = Bsctl(program, directory / "store")
        self.model = Model(directory / "expected.json")
        self.operations = Operations(self.bsctl, self.model, self.chance, directory)
        self.disks, self.profile, self.tolerance, self.least = self.chance.choice(SHAPES)
        self.lost: set[str] = set()
        self.whole = True
        self.devices: dict[str, Path] = {}

    def run(self, kills: int) -> None:
        self.begin()
        end = self.figures.kills + kills
        while self.figures.kills < end:
            self.round()
        self.finish()
        self.figures.commands += len(self.bsctl.history)

    def begin(self) -> None:
        self.bsctl.run("init", str(self.bsctl.home), "--disks", str(self.disks), "--profile", self.profile)
        self.devices = self.bsctl.devices()
        anchor = self.chance.randbytes(ANCHOR_BYTES)
        (self.directory / "input").write_bytes(anchor)
        key = f"{ROOT}/anchor"
        self.model.begin({key: digest(anchor)})
        self.bsctl.run("put", str(self.directory / "input"), key)
        self.model.acknowledge({key: digest(anchor)})
        for _ in range(12):
            self.let_finish(self.chance.choice([self.operations.put, self.operations.tree])())

    def round(self) -> None:
        operation = self.operations.random(degraded=bool(self.lost))
        if operation.ends and self.chance.random() < 0.25:
            self.let_finish(operation)
            return
        self.model.begin(operation.changes)
        was_whole = self.whole
        outcome = self.kill(operation)
        self.lost |= operation.loses
        if outcome.code == KILLED:
            self.whole = False
            # Whatever was under way, what was acknowledged before survives t losses at the same moment.
            wiped = self.wipe() if was_whole and self.chance.random() < 0.2 else False
            if self.chance.random() < 0.15:
                self.delete_index()
            while self.chance.random() < 0.25:
                self.kill_recovery()
            if wiped:
                self.end_doubt()
        else:
            self.judge(operation, outcome.code, outcome.complaints)
        self.check()
        if not self.lost and self.chance.random() < 0.05:
            self.rot()
        if self.chance.random() < (0.5 if self.lost else 0.6):
            self.mend()

    def let_finish(self, operation: Operation) -> None:
        """Something is acknowledged; and how long it takes tells when to kill the next of its kind."""
        self.model.begin(operation.changes)
        outcome, elapsed = self.start(operation, lambda _: False)
        self.lost |= operation.loses
        usual = self.typical.get(operation.kind, elapsed)
        self.typical[operation.kind] = 0.7 * usual + 0.3 * min(elapsed, 2)
        self.judge(operation, outcome.code, outcome.complaints)

    def kill(self, operation: Operation) -> Outcome:
        """Starts an operation and kills it at a random moment of the time it usually takes."""
        outcome, _ = self.start(operation, self.moment(operation.kind, ends=operation.ends))
        self.count(operation.kind, outcome.code)
        return outcome

    def start(self, operation: Operation, is_time: Callable[[float], bool]) -> tuple[Outcome, float]:
        outcome, elapsed = self.bsctl.run_killed(
            operation.words, is_time, stdin=subprocess.DEVNULL if operation.piped is None else subprocess.PIPE,
            feed=operation.feed)
        if operation.target:
            self.check_target(operation.target, outcome.code)
        return outcome, elapsed

    def moment(self, kind: str, ends: bool = True) -> Callable[[float], bool]:
        """When to kill: anywhere in the usual time, or a little after the first shard is being written."""
        usual = self.typical.get(kind, 0.05)
        if not ends:
            delay = self.chance.uniform(0, 0.1)
            return lambda elapsed: elapsed >= delay
        if self.chance.random() < 0.35:
            pause = self.chance.uniform(0, usual / 2)
            first: list[float] = []

            def is_time(elapsed: float) -> bool:
                if not first and self.is_staging():
                    first.append(elapsed)
                return elapsed >= (first[0] + pause if first else 4 * usual)

            return is_time
        delay = self.chance.uniform(0, 0.95 * usual)
        return lambda elapsed: elapsed >= delay

    def is_staging(self) -> bool:
        for device in self.devices.values():
            try:
                if os.listdir(device / "tmp"):
                    return True
            except OSError:
                continue
        return False

    def count(self, kind: str, code: int) -> None:
        self.figures.kills += 1
        self.figures.by_kind[kind] += 1
        if code == KILLED:
            self.figures.hits += 1
            self.figures.hits_by_kind[kind] += 1

    def judge(self, operation: Operation, code: int, complaints: str) -> None:
        """It ended by itself: with a right exit code, and what it then has promised."""
        if code == FAILED and "in service" in complaints and self.disks - len(self.lost) < self.least:
            self.model.refuse()
            return
        if code not in operation.codes:
            raise Broken("wrong", f"bsctl {' '.join(operation.words)} ended with {code}: {complaints.strip()}")
        self.model.acknowledge(operation.changes)
        if operation.writes:
            self.model.decide()
            # What nearly became a device again is cleared when it does.
            require_no_temporaries(list(self.bsctl.devices(in_service=True).values()))

    def check_target(self, target: Path, code: int) -> None:
        expected = self.model.expected[f"{ROOT}/anchor"]
        if code == DONE or target.exists():
            self.figures.reads += 1
            if digest(target.read_bytes()) != expected:
                raise Broken("altered", f"a get that ended with {code} left a wrong file")
        others = [entry.name for entry in target.parent.iterdir() if entry != target]
        if others:
            raise Broken("wrong", f"a get that ended with {code} left {', '.join(others)}")

    def wipe(self) -> bool:
        """Disks die with the process."""
        labels = sorted(set(self.devices) - self.lost)
        count = self.chance.randint(0, self.tolerance - len(self.lost))
        chosen = self.chance.sample(labels, min(count, len(labels)))
        for label in chosen:
            self.bsctl.note(f"{label} dies with it")
            path = self.devices[label]
            shutil.rmtree(path, ignore_errors=True)
            if self.chance.random() < 0.5:
                path.mkdir()
        self.lost |= set(chosen)
        self.figures.wiped += len(chosen)
        return bool(chosen)

    def delete_index(self) -> None:
        self.bsctl.note("the index is deleted")
        for path in self.bsctl.home.glob("index.db*"):
            path.unlink()

    def kill_recovery(self) -> None:
        """What comes next opens the store and repairs what it finds: it is killed as well."""
        words = self.chance.choice([["ls"], ["status"], ["repair"], ["index", "rebuild"], ["rm", "no such key"]])
        kind = "recovery by " + ("index rebuild" if words[0] == "index" else words[0])
        outcome, elapsed = self.bsctl.run_killed(words, self.moment(kind))
        # How long a recovery takes is not known before: later after a hit, earlier after a miss.
        usual = self.typical.get(kind, 0.05)
        self.typical[kind] = min(1, usual * 1.1) if outcome.code == KILLED else min(usual, elapsed)
        self.count(kind, outcome.code)
        if outcome.code != KILLED:
            # 1: with disks lost in the middle of a commit, writing may be refused.
            codes = (DONE, DEGRADED, FAILED) if self.lost else (DONE,)
            require_code(outcome, (*codes, NOT_FOUND) if words[0] == "rm" else codes, words)

    def end_doubt(self) -> None:
        """Disks that died in the middle of a commit may leave it in doubt: said, and given up on demand."""
        status = self.bsctl.document("status", codes=(DONE, DEGRADED))
        if not status["inDoubt"]:
            return
        self.figures.doubts += 1
        keys = {entry["key"] for commit in status["inDoubt"] for entry in commit["keys"]}
        strange = keys - set(self.model.pending) - set(self.model.undecided)
        if strange:
            raise Broken("wrong", f"in doubt is what was not under way: {', '.join(sorted(strange))}")
        self.bsctl.run("recover", "--abandon")

    def check(self) -> None:
        """Everything is listed and reads as it must, and from now on stays as it was found."""
        listed = self.bsctl.listing()
        target = self.directory / "read"
        shutil.rmtree(target, ignore_errors=True)
        outcome = self.bsctl.attempt("get", "-r", ROOT, str(target))
        found: dict[str, Content] = {}
        wrong: list[Broken] = []
        for key in sorted(self.model.keys() | set(listed)):
            content = self.read(key, key in listed, target)
            found[key] = content
            allowed = self.model.allowed(key)
            if content in allowed:
                continue
            if content is None or content == "unreadable":
                wrong.append(Broken("lost", f"{key} is {content or 'not there'}"))
            else:
                known = key in self.model.keys()
                wrong.append(Broken("altered" if known else "wrong", f"{key} is {content}, not one of {allowed}"))
        for problem in wrong:
            self.bsctl.note(f"{problem.kind}: {problem}")
        if wrong:
            raise wrong[0]
        require_code(outcome, (DONE,), ["get", "-r", ROOT])
        self.model.settle({key: found[key] for key in {*self.model.pending, *self.model.undecided}})
        self.check_one()

    def read(self, key: str, is_listed: bool, target: Path) -> Content:
        if not is_listed:
            return None
        if key.endswith("/"):
            return DIRECTORY
        path = target / key.removeprefix(f"{ROOT}/")
        self.figures.reads += 1
        return digest(path.read_bytes()) if path.is_file() else "unreadable"

    def check_one(self) -> None:
        """One key by itself: whole, or a range of it; one that is not there is said not to be there."""
        key = self.chance.choice([f"{ROOT}/a", f"{ROOT}/b", f"{ROOT}/anchor"])
        expected = self.model.expected.get(key)
        if expected is None:
            self.bsctl.run("get", key, "-", codes=(NOT_FOUND,))
            return
        content = self.bsctl.run("get", key, "-").output
        self.figures.reads += 1
        if digest(content) != expected:
            raise Broken("altered", f"{key} reads differently by itself")
        if content and self.chance.random() < 0.3:
            first = self.chance.randrange(len(content))
            last = self.chance.randrange(first, len(content))
            part = self.bsctl.run("get", key, "-", "--range", f"{first}-{last}").output
            if part != content[first:last + 1]:
                raise Broken("altered", f"bytes {first} to {last} of {key} read differently")

    def rot(self) -> None:
        """Bits flip in as many shards as the profile bears; a scrub finds and mends them."""
        if not self.whole:
            return
        count = str(self.chance.randint(1, self.tolerance))
        self.bsctl.run("simulate", "bit-rot", "--count", count, "--seed", str(self.chance.randrange(1_000_000)))
        self.check()
        self.kill(self.operations.scrub())
        self.bsctl.run("scrub", "--repair", codes=(DONE, DEGRADED))
        self.bsctl.run("scrub")

    def mend(self) -> None:
        """A repair that is let finish makes the store whole."""
        self.bsctl.run("repair")
        self.model.decide()
        self.lost = set()
        self.whole = True
        self.devices = self.bsctl.devices()
        require_no_temporaries(list(self.devices.values()))
        if self.chance.random() < 0.1:
            self.bsctl.run("scrub")
            self.bsctl.run("status")

    def finish(self) -> None:
        """At the end nothing is owed, every byte is sound, and the shards alone tell the same."""
        self.mend()
        self.bsctl.run("scrub")
        self.bsctl.run("status")
        before = self.bsctl.run("ls", "-l", "--versions", "--json").output
        self.delete_index()
        self.bsctl.run("index", "rebuild")
        after = self.bsctl.run("ls", "-l", "--versions", "--json").output
        if before != after:
            raise Broken("wrong", "the rebuilt index lists something else")
        self.bsctl.run("simulate", "disk-loss", "--count", str(self.tolerance), "--seed", "1")
        self.lost = {"some"}
        self.check()
        self.mend()


@dataclass(frozen=True)
class Job:
    program: Path
    directory: Path
    seed: str
    kills: int
    keep: bool


def run_job(job: Job) -> Figures:
    figures = Figures()
    typical: dict[str, float] = {}
    number = 0
    while figures.kills < job.kills:
        number += 1
        directory = job.directory / f"life-{number}"
        directory.mkdir(parents=True)
        life = Life(job.program, directory, f"{job.seed}/{number}", figures, typical)
        try:
            life.run(min(KILLS_OF_A_LIFE, job.kills - figures.kills))
        except Broken as problem:
            figures.failures[problem.kind] += 1
            tell(problem, life, job, number)
            return figures
        if not job.keep:
            shutil.rmtree(directory)
    return figures


def tell(problem: Broken, life: Life, job: Job, number: int) -> None:
    history = life.directory / "history.txt"
    history.write_text("\n".join(life.bsctl.history) + "\n")
    print(f"FAILED: {problem.kind}: {problem}")
    print(f"  seed {job.seed}, life {number}, {life.profile} on {life.disks} disks, after {life.figures.kills} kills")
    print("  the last commands and their exit codes:")
    for entry in life.bsctl.history[-25:]:
        print(f"    {entry}")
    print(f"  kept: {life.directory} (store, expected.json, history.txt)", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many (200)")
    parser.add_argument("--seed", type=int, help="the same operations again; when a kill hits is the machine's affair")
    parser.add_argument("--jobs", type=int, default=1, help="stores at once (1)")
    parser.add_argument("--keep", action="store_true", help="keep the stores")
    parser.add_argument("--directory", type=Path, help="where the stores are, /dev/shm for instance ($TMPDIR or /tmp)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--binary", type=Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.kills < 1 or arguments.jobs < 1:
        parser.error("--kills and --jobs count from 1")
    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)

    work = Path(tempfile.mkdtemp(prefix="bsctl-kills.", dir=arguments.directory))
    start = time.monotonic()
    share = -(-arguments.kills // arguments.jobs)
    jobs = [
        Job(arguments.binary.resolve(), work / f"job-{number}", f"{seed}/{number}",
            min(share, arguments.kills - number * share), arguments.keep)
        for number in range(arguments.jobs) if number * share < arguments.kills
    ]
    total = Figures()
    with multiprocessing.Pool(len(jobs)) as pool:
        for figures in pool.imap_unordered(run_job, jobs):
            total.add(figures)
    seconds = round(time.monotonic() - start)
    has_failed = sum(total.failures.values()) > 0
    if not has_failed and not arguments.keep:
        shutil.rmtree(work)
    elif arguments.keep:
        print(f"kept: {work}")
    if arguments.json:
        arguments.json.write_text(json.dumps({
            "kills": total.kills, "hits": total.hits, "commands": total.commands, "reads": total.reads,
            "disksLost": total.wiped, "inDoubt": total.doubts,
            **{kind: total.failures[kind] for kind in ("lost", "altered", "wrong")},
            "seconds": seconds, "seed": seed, "killsByKind": dict(sorted(total.by_kind.items())),
            "hitsByKind": dict(sorted(total.hits_by_kind.items()))}, indent=2) + "\n")
    print(
        f"kills: {total.kills} kills ({total.hits} hit a running command), {total.reads} reads checked, "
        f"{total.failures['lost']} lost, {total.failures['altered']} altered, {total.failures['wrong']} wrong, "
        f"{seconds} s, seed {seed}")
    return 1 if has_failed else 0


if __name__ == "__main__":
    sys.exit(main())
