"""A store on small real file systems that fill up, fail, turn read-only and go away (scripts/filesystems)."""
import argparse
import errno
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

from bsctl import DEGRADED, DONE, FAILED, NOT_FOUND, Broken, Bsctl, Outcome, digest, require_no_temporaries
from mounts import (
    MIB, PAGE_BYTES, Filler, Missing, free_bytes, make_image, mount_image, mount_tmpfs, remount, shut_down, unmount)

NO_SPACE = os.strerror(errno.ENOSPC)
IO_ERROR = os.strerror(errno.EIO)
READ_ONLY = os.strerror(errno.EROFS)
DISKS, TOLERANCE = 6, 2
# The free space of a device goes through so many steps of a page.
STEPS = 20
# More than a block: some of it is on the devices while the rest is still to come.
STREAM_BYTES = 70 * MIB


@dataclass
class Figures:
    scenarios: int = 0
    puts: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Shop:
    """A store over mounted devices, and what it must hold."""

    def __init__(self, program: Path, work: Path, seed: str, figures: Figures) -> None:
        self.work = work
        self.figures = figures
        self.chance = random.Random(seed)
        self.bsctl = Bsctl(program, work / "home")
        self.expected: dict[str, str] = {}
        self.mounts = [work / f"mount-{number}" for number in range(1, DISKS + 1)]
        self.devices: list[Path] = []
        # Devices that cannot be taken away, and how many of them cannot be read from.
        self.stuck: list[Path] = []
        self.unreadable = 0
        self.stored = 0
        self.refused = 0

    # Making

    def make(self, inside: bool = True) -> None:
        """Makes the store, and fills it with what must never be harmed.

        - inside: the devices are directories in the mounts, not the mount points themselves.
        """
        self.devices = [mount / "bs" if inside else mount for mount in self.mounts]
        words = ["init", str(self.bsctl.home), "--profile", "rs:4+2"]
        for device in self.devices:
            device.mkdir(exist_ok=True)
            words += ["--device", str(device)]
        self.bsctl.run(*words)
        for number in range(4):
            self.put(f"base/{number}", self.chance.randbytes(self.chance.choice([10, 5_000, 100_000, 400_000])))

    def on_tmpfs(self, byte_count: int, inodes: int = 0) -> None:
        for mount in self.mounts:
            mount_tmpfs(mount, byte_count, inodes)

    def on_images(self, byte_count: int, kind: str = "ext4") -> None:
        for mount in self.mounts:
            mount_image(make_image(self.image(mount), byte_count, kind), mount)

    def make_old(self, count: int) -> None:
        """So many small objects, to be deleted at the edge."""
        directory = self.work / "old"
        directory.mkdir()
        for number in range(count):
            content = self.chance.randbytes(100)
            (directory / str(number)).write_bytes(content)
            self.expected[f"old/{number}"] = digest(content)
        self.bsctl.run("put", "-r", str(directory), "old")

    def image(self, mount: Path) -> Path:
        return self.work / f"{mount.name}.img"

    # Using

    def write(self, content: bytes) -> Path:
        path = self.work / "input"
        path.write_bytes(content)
        return path

    def put(self, key: str, content: bytes, codes: tuple[int, ...] = (DONE,)) -> Outcome:
        outcome = self.bsctl.run("put", str(self.write(content)), key, codes=codes)
        if outcome.code in (DONE, DEGRADED):
            self.expected[key] = digest(content)
        return outcome

    def put_at_the_edge(self, content: bytes, reasons: tuple[str, ...]) -> int:
        """A put that may be refused, for one of `reasons`: then nothing has happened. Where it is
        acknowledged, it survives as much as it said. Either way everything else reads."""
        key = f"edge/{self.chance.randrange(4)}"
        outcome = self.put(key, content, codes=(DONE, DEGRADED, FAILED))
        self.figures.puts += 1
        self.count(outcome)
        if outcome.code == FAILED:
            self.require_reason(outcome, reasons)
        else:
            self.check_with_losses(key, TOLERANCE if outcome.code == DONE else 1)
        self.check()
        # Where nothing can be written nothing can be removed either.
        require_no_temporaries([device for device in self.devices if device not in self.stuck])
        return outcome.code

    def remove_at_the_edge(self, reasons: tuple[str, ...]) -> bool:
        """Whether a delete works; where it does not, that is said and nothing has happened."""
        key = next(key for key in self.expected if key.startswith("old/"))
        outcome = self.bsctl.run("rm", key, codes=(DONE, DEGRADED, FAILED))
        if outcome.code == FAILED:
            self.require_reason(outcome, reasons)
        else:
            del self.expected[key]
        self.check()
        return outcome.code != FAILED

    def require_reason(self, outcome: Outcome, reasons: tuple[str, ...]) -> None:
        if not any(reason in outcome.complaints for reason in reasons):
            raise Broken("wrong", f"the refusal does not say {' or '.join(reasons)}: {outcome.complaints.strip()}")
        if "say whether" in outcome.complaints:
            raise Broken("wrong", f"it could have been refused, and is unknown: {outcome.complaints.strip()}")

    # Checking

    def check(self) -> None:
        """Everything is listed and reads."""
        target = self.work / "read"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        listed = [key for key, entry in self.bsctl.listing().items() if entry["kind"] == "file"]
        if set(listed) != set(self.expected):
            raise Broken("lost", f"listed are {sorted(listed)}, expected {sorted(self.expected)}")
        for part in sorted({key.split("/")[0] for key in self.expected}):
            self.bsctl.run("get", "-r", part, str(target / part))
        for key, expected in self.expected.items():
            if not (target / key).is_file():
                raise Broken("lost", f"{key} does not read")
            if digest((target / key).read_bytes()) != expected:
                raise Broken("altered", f"{key} reads differently")

    def check_with_losses(self, key: str, count: int) -> None:
        """`key`, and something older, read without `count` of the devices."""
        lost = self.chance.sample(
            [device for device in self.devices if device not in self.stuck], max(0, count - self.unreadable))
        with hidden(lost):
            for name in (key, "base/0"):
                content = self.bsctl.run("get", name, "-").output
                if digest(content) != self.expected[name]:
                    raise Broken("altered", f"{name} reads differently without {count} devices")

    def require_whole(self) -> None:
        self.bsctl.run("repair")
        self.bsctl.run("scrub")
        self.bsctl.run("status")
        self.check()
        require_no_temporaries(self.devices)

    def stream(self, key: str, happening: Callable[[], None], codes: tuple[int, ...]) -> Outcome:
        """A put through a pipe, in the middle of which something happens."""
        content = self.chance.randbytes(STREAM_BYTES)
        words = ["put", "-", key]
        process = self.bsctl.start(words, subprocess.PIPE)
        assert process.stdin is not None
        self.figures.puts += 1
        try:
            process.stdin.write(content[:STREAM_BYTES * 2 // 3])
            process.stdin.flush()
            # The first block is on its way by now; when it has arrived nothing is open for writing.
            time.sleep(1)
            happening()
            process.stdin.write(content[STREAM_BYTES * 2 // 3:])
        except BrokenPipeError:
            pass
        outcome = self.bsctl.finish(process, words)
        if outcome.code not in codes:
            raise Broken("wrong", f"put - ended with {outcome.code}, not {codes}: {outcome.complaints.strip()}")
        if outcome.code in (DONE, DEGRADED):
            self.expected[key] = digest(content)
        self.count(outcome)
        return outcome

    def count(self, outcome: Outcome) -> None:
        if outcome.code == FAILED:
            self.refused += 1
        else:
            self.stored += 1


@contextmanager
def hidden(devices: list[Path]) -> Iterator[None]:
    """These devices are not where they were."""
    for device in devices:
        device.rename(device.with_name("away"))
    try:
        yield
    finally:
        for device in devices:
            device.with_name("away").rename(device)


# Scenarios: each gets a store to make, and returns what it found, in words.

def disk_full(shop: Shop, prepare: Callable[[], None], full: int) -> str:
    """`full` of the devices have from 0 bytes on a page more at each step."""
    prepare()
    shop.make()
    shop.make_old(STEPS + 2)
    fillers = [Filler(mount) for mount in shop.mounts[:full]]
    removes_from = None
    for step in range(STEPS + 1):
        def fill() -> None:
            for filler in fillers:
                filler.leave(step * PAGE_BYTES)

        fill()
        for size in (shop.chance.randint(0, 3_000), shop.chance.randint(3_000, 250_000)):
            shop.put_at_the_edge(shop.chance.randbytes(size), (NO_SPACE,))
            fill()
        if step % 10 == 5:
            shop.put_at_the_edge(shop.chance.randbytes(5 * MIB), (NO_SPACE,))
            fill()
        if shop.remove_at_the_edge((NO_SPACE,)) and removes_from is None:
            removes_from = step * PAGE_BYTES
    for filler in fillers:
        filler.remove()
    shop.require_whole()
    return f"rm works from {'nowhere' if removes_from is None else removes_from} bytes free a device"


def freed_when_full(shop: Shop) -> str:
    """Not a byte is free on any device or in the home, and deleting, pruning and collecting work all the same: they have the
    reserve."""
    shop.on_tmpfs(64 * MIB)
    home = mount_tmpfs(shop.work / "small", 16 * MIB)
    shop.bsctl.home = home / "home"
    shop.make()
    big = shop.chance.randbytes(20 * MIB)
    shop.put("old/big", big)
    fillers = [Filler(place) for place in [*shop.mounts, home]]
    for filler in fillers:
        filler.leave(0)
    shop.put("edge/more", shop.chance.randbytes(MIB), codes=(FAILED,))
    del shop.expected["old/big"]
    for words in (["rm", "old/big"], ["prune", "--keep-last", "0"], ["collect", "--full"]):
        shop.bsctl.run(*words, codes=(DONE,))
        shop.check()
    freed = min(free_bytes(mount) for mount in shop.mounts)
    if freed < 4 * MIB:
        raise Broken("wrong", f"only {freed} bytes are free on some device")
    shop.put("edge/more", big[: 10 * MIB])
    for filler in fillers:
        filler.remove()
    shop.require_whole()
    return f"{freed} bytes freed on each device"


def inodes_gone(shop: Shop, full: int) -> str:
    shop.on_tmpfs(32 * MIB, inodes=200)
    shop.make()
    shop.make_old(8)
    fillers = [Filler(mount) for mount in shop.mounts[:full]]
    removes_from = None
    for step in range(6):
        for _ in range(3):
            for filler in fillers:
                filler.leave_inodes(step)
            shop.put_at_the_edge(shop.chance.randbytes(shop.chance.randint(0, 100_000)), (NO_SPACE,))
        for filler in fillers:
            filler.leave_inodes(step)
        if shop.remove_at_the_edge((NO_SPACE,)) and removes_from is None:
            removes_from = step
    for filler in fillers:
        filler.remove()
    shop.require_whole()
    return f"rm works from {removes_from} inodes free a device"


def late_no_space(shop: Shop, short: int) -> str:
    """Images on a tmpfs that is smaller than they say: the file system takes the bytes, and the sync fails."""
    ground = mount_tmpfs(shop.work / "ground", 500 * MIB)
    for mount in shop.mounts:
        image = ground / f"{mount.name}.img"
        if mount in shop.mounts[:short]:
            image = mount_tmpfs(shop.work / f"ground-{mount.name}", 20 * MIB) / image.name
        mount_image(make_image(image, 64 * MIB), mount)
    shop.make()
    codes = Counter[int]()
    shop.stuck = shop.devices[:short] if short < DISKS else []
    for _ in range(5):
        codes[shop.put_at_the_edge(shop.chance.randbytes(28 * MIB), (NO_SPACE, IO_ERROR, READ_ONLY))] += 1
    if not codes[DEGRADED if short == 1 else FAILED]:
        raise Broken("wrong", f"no put has met the end of the space: {dict(codes)}")
    for mount in shop.mounts[:short]:
        ground = shop.work / f"ground-{mount.name}"
        remount(ground, f"size={100 * MIB}")
        unmount(mount)
        image = ground / f"{mount.name}.img"
        subprocess.run(["e2fsck", "-fy", image], capture_output=True)
        mount_image(image, mount)
    shop.require_whole()
    return told(codes)


def read_errors(shop: Shop, bad: int) -> str:
    """The images of devices in use end early."""
    shop.on_images(64 * MIB)
    shop.make()
    shop.put("base/big", shop.chance.randbytes(25 * MIB))
    shop.stuck, shop.unreadable = shop.devices[:bad], bad
    found = 0
    for percent in (60, 25, 8, 2):
        for mount in shop.mounts[:bad]:
            # A new mount has nothing cached.
            unmount(mount)
            mount_image(shop.image(mount), mount)
            os.truncate(shop.image(mount), 64 * MIB * percent // 100)
        shop.check()
        outcome = shop.bsctl.run("scrub", codes=(DONE, DEGRADED))
        found += outcome.code == DEGRADED
        shop.put_at_the_edge(shop.chance.randbytes(200_000), (IO_ERROR, READ_ONLY, "in service"))
        for mount in shop.mounts[:bad]:
            unmount(mount)
            os.truncate(shop.image(mount), 64 * MIB)
            # What was cut off is gone: the disk is exchanged.
            mount_image(make_image(shop.image(mount), 64 * MIB), mount)
            (mount / "bs").mkdir()
        labels = [device["label"] for device in shop.bsctl.document("device", "ls", codes=(DONE, DEGRADED))["devices"]
                  if not device["inService"]]
        if len(labels) != bad:
            raise Broken("wrong", f"{bad} disks were exchanged, absent are {labels}")
        for label in labels:
            shop.bsctl.run("device", "replace", label, codes=(DONE, DEGRADED))
        shop.require_whole()
    if not found:
        raise Broken("wrong", "no scrub has met a read error")
    return f"a scrub found read errors in {found} of 4 rounds"


def read_only(shop: Shop, count: int, in_use: bool) -> str:
    """Devices are remounted read-only, in the middle of a put or between two."""
    shop.on_images(128 * MIB if in_use else 32 * MIB)
    shop.make()
    reasons = (READ_ONLY, "in service")
    codes = (DEGRADED,) if count == 1 else (FAILED,)

    def happening() -> None:
        for mount in shop.mounts[:count]:
            remount(mount, "ro")

    if in_use:
        outcome = shop.stream("edge/stream", happening, codes)
        if outcome.code == FAILED:
            shop.require_reason(outcome, reasons)
    else:
        happening()
    shop.check()
    shop.stuck = shop.devices[:count]
    for _ in range(3):
        code = shop.put_at_the_edge(shop.chance.randbytes(50_000), reasons)
        if code not in codes:
            raise Broken("wrong", f"a put with {count} read-only devices ended with {code}")
    shop.bsctl.run("repair", codes=(DONE, DEGRADED))
    shop.check()
    for mount in shop.mounts[:count]:
        remount(mount, "rw")
    shop.require_whole()
    return ""


def pulled_out(shop: Shop, count: int) -> str:
    """File systems stop to answer in the middle of a put."""
    shop.on_images(128 * MIB)
    shop.make()
    shop.stream(
        "edge/stream", lambda: [shut_down(mount) for mount in shop.mounts[:count]] and None,
        (DEGRADED,) if count == 1 else (FAILED,))
    shop.check()
    for mount in shop.mounts[:count]:
        unmount(mount)
        mount_image(shop.image(mount), mount)
    shop.require_whole()
    return ""


def unmounted(shop: Shop, inside: bool, in_use: bool) -> str:
    """Two devices are unmounted: their bare mount points stay bare."""
    shop.on_images(128 * MIB if in_use else 32 * MIB)
    shop.make(inside=inside)
    gone = shop.mounts[:1] if in_use else shop.mounts[:TOLERANCE]

    def happening() -> None:
        for mount in gone:
            unmount(mount, lazily=in_use)

    if in_use:
        shop.stream("edge/stream", happening, (DONE, DEGRADED))
    else:
        happening()
    shop.check()
    for words in (["status"], ["repair"], ["scrub"], ["scrub", "--repair"], ["index", "rebuild"]):
        shop.bsctl.run(*words, codes=(DONE, DEGRADED))
    shop.stuck, shop.unreadable = [shop.devices[shop.mounts.index(mount)] for mount in gone], len(gone)
    shop.put_at_the_edge(shop.chance.randbytes(50_000), ("in service",))
    shop.bsctl.run("get", "no such key", "-", codes=(NOT_FOUND,))
    shop.check()
    for mount in gone:
        if os.listdir(mount):
            raise Broken("wrong", f"the bare mount point {mount} holds {os.listdir(mount)}")
        mount_image(shop.image(mount), mount)
    shop.require_whole()
    return ""


def home_full(shop: Shop) -> str:
    """The index is only a cache: that it cannot grow costs no data, and what is refused says why."""
    shop.on_tmpfs(32 * MIB)
    home = mount_tmpfs(shop.work / "small", MIB)
    shop.bsctl.home = home / "home"
    shop.make()
    filler = Filler(home)
    codes = Counter[int]()
    reads_from = None
    for step in range(STEPS + 1):
        filler.leave(step * PAGE_BYTES)
        content = shop.chance.randbytes(30_000)
        key = f"edge/{step}"
        outcome = shop.put(key, content, codes=(DONE, DEGRADED, FAILED))
        shop.figures.puts += 1
        shop.count(outcome)
        codes[outcome.code] += 1
        if outcome.code == FAILED:
            shop.require_reason(outcome, ("no space left for it", NO_SPACE))
        outcome = shop.bsctl.run("get", "base/0", "-", codes=(DONE, FAILED))
        if outcome.code == FAILED:
            shop.require_reason(outcome, ("no space left for it", NO_SPACE))
        elif reads_from is None:
            reads_from = step * PAGE_BYTES
        filler.remove()
        shop.check()
    shop.require_whole()
    return f"{told(codes)}; reads from {reads_from} bytes free in the home"


def told(codes: Counter[int]) -> str:
    return "exit codes " + ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))


Scenario = Callable[[Shop], str]


def scenarios() -> dict[str, Scenario]:
    found: dict[str, Scenario] = {}
    for full, words in ((DISKS, "every device"), (1, "one device"), (TOLERANCE, "two devices")):
        found[f"full, tmpfs, {words}"] = lambda shop, full=full: disk_full(shop, lambda: shop.on_tmpfs(16 * MIB), full)
    for kind, size in (("ext4", 24 * MIB), ("xfs", 320 * MIB), ("btrfs", 128 * MIB)):
        for full, words in ((DISKS, "every device"), (1, "one device")):
            found[f"full, {kind}, {words}"] = lambda shop, kind=kind, size=size, full=full: disk_full(
                shop, lambda: shop.on_images(size, kind), full)
    for full, words in ((DISKS, "every device"), (1, "one device")):
        found[f"out of inodes, {words}"] = lambda shop, full=full: inodes_gone(shop, full)
        found[f"no space at the sync, {words}"] = lambda shop, full=full: late_no_space(shop, full)
    for count, words in ((1, "one device"), (TOLERANCE, "two devices")):
        found[f"read errors, {words}"] = lambda shop, count=count: read_errors(shop, count)
        found[f"read-only, {words}"] = lambda shop, count=count: read_only(shop, count, in_use=False)
        found[f"read-only in use, {words}"] = lambda shop, count=count: read_only(shop, count, in_use=True)
        found[f"pulled out in use, {words}"] = lambda shop, count=count: pulled_out(shop, count)
    found["unmounted, devices inside"] = lambda shop: unmounted(shop, inside=True, in_use=False)
    found["unmounted, devices are the mount points"] = lambda shop: unmounted(shop, inside=False, in_use=False)
    found["unmounted in use"] = lambda shop: unmounted(shop, inside=False, in_use=True)
    found["home full"] = home_full
    found["everything full, and freed"] = freed_when_full
    return found


def run_scenario(name: str, scenario: Scenario, shop: Shop, figures: Figures) -> None:
    start = time.monotonic()
    try:
        remark = scenario(shop)
    except Missing as problem:
        print(f"{name}: skipped: {problem}", flush=True)
        return
    except (Broken, OSError) as problem:
        kind = problem.kind if isinstance(problem, Broken) else "wrong"
        figures.scenarios += 1
        figures.failures[kind] += 1
        print(f"{name}: FAILED: {kind}: {problem}\n  the last commands and their exit codes:")
        for entry in shop.bsctl.history[-20:]:
            print(f"    {entry}")
        sys.stdout.flush()
        return
    figures.scenarios += 1
    parts = [f"{shop.stored} puts stored, {shop.refused} refused", f"{time.monotonic() - start:.0f} s"]
    print(f"{name}: {'; '.join([part for part in (parts[0], remark, parts[1]) if part])}", flush=True)


def release(work: Path) -> None:
    """Unmounts what a scenario has mounted, the innermost first."""
    places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed([place for place in places if place.startswith(f"{work}/")]):
        subprocess.run(["umount", "-l", place], capture_output=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/filesystems", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of sizes and contents (1)")
    parser.add_argument("--only", metavar="WORDS", help="the scenarios whose name begins so")
    parser.add_argument("--list", action="store_true", help="the names of the scenarios")
    parser.add_argument("--binary", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    chosen = {name: scenario for name, scenario in scenarios().items() if name.startswith(arguments.only or "")}
    if arguments.list:
        print("\n".join(chosen))
        return 0
    figures = Figures()
    print(f"seed {arguments.seed}", flush=True)
    for number, (name, scenario) in enumerate(chosen.items()):
        work = arguments.directory / f"scenario-{number}"
        work.mkdir()
        try:
            run_scenario(
                name, scenario, Shop(arguments.binary.resolve(), work, f"{arguments.seed}/{name}", figures), figures)
        finally:
            release(work)
            shutil.rmtree(work, ignore_errors=True)
    print(
        f"filesystems: {figures.scenarios} scenarios, {figures.puts} puts at the edge, "
        f"{figures.failures['lost']} lost, {figures.failures['altered']} altered, {figures.failures['wrong']} harmed")
    return 1 if sum(figures.failures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
