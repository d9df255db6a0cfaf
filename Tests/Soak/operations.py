"""The operations that are killed: what each is called with, and what it may make of which keys."""
import random
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from bsctl import DEGRADED, DONE, Bsctl, digest
from model import DIRECTORY, Content, Model

ROOT = "o"
FILE_KEYS = [f"{ROOT}/{name}" for name in ("a", "b", "c 1", "d'2", "é", "f/g/h", "-i", "j.txt")]
TREE_KEYS = [f"{ROOT}/tree-{number}" for number in range(3)]


@dataclass
class Operation:
    kind: str
    words: list[str]
    changes: dict[str, Content] = field(default_factory=dict)
    codes: tuple[int, ...] = (DONE,)
    # A writer leaves no temporaries.
    writes: bool = True
    # Devices that hold less than they should from now on.
    loses: set[str] = field(default_factory=set)
    # Bytes for a pipe, and whether its end comes at all.
    piped: bytes | None = None
    ends: bool = True
    # A file that a get makes: absent or whole.
    target: Path | None = None

    def feed(self, process: "subprocess.Popen[bytes]") -> None:
        """Writes into the pipe beside the one who waits for the moment to kill."""
        stdin, piped = process.stdin, self.piped
        if stdin is None or piped is None:
            return
        # The end must not be told to a command that is to be killed before it.
        process.stdin = None

        def write() -> None:
            try:
                stdin.write(piped)
                stdin.flush()
                if not self.ends:
                    process.wait()
            except BrokenPipeError:
                pass
            finally:
                try:
                    stdin.close()
                except BrokenPipeError:
                    pass

        threading.Thread(target=write, daemon=True).start()


class Operations:
    """Makes random operations that fit the state of the store."""

    def __init__(self, bsctl: Bsctl, model: Model, chance: random.Random, scratch: Path) -> None:
        self.bsctl = bsctl
        self.model = model
        self.chance = chance
        self.scratch = scratch
        self.made: list[bytes] = []
        self.places = 0

    def content(self) -> bytes:
        """Random bytes of a random size; sometimes compressible, sometimes with something already stored inside."""
        chance = self.chance
        size = chance.choice([0, 1, 100, 4096, 60_000, 60_000, 200_000, 200_000, 1_500_000])
        bytes_ = chance.randbytes(chance.randint(0, size))
        if chance.random() < 0.2:
            bytes_ = bytes_[:1000] * (len(bytes_) // 1000)
        if self.made and chance.random() < 0.3:
            bytes_ = chance.choice(self.made) + bytes_
        self.made = [*self.made[-4:], bytes_[-300_000:]]
        return bytes_

    def file(self) -> tuple[Path, str]:
        content = self.content()
        path = self.scratch / "input"
        path.write_bytes(content)
        return path, digest(content)

    def random(self, degraded: bool) -> Operation:
        names = ["put", "pipe", "command", "tree", "remove", "get", "repair", "scrub", "rebuild"]
        weights = [20, 16, 6, 14, 10, 5, 8 + 20 * degraded, 6, 6]
        if not degraded:
            names += ["lose", "move"]
            weights += [6, 6]
        name = self.chance.choices(names, weights)[0]
        operation: Operation = getattr(self, name)()
        if degraded:
            operation.codes = tuple({*operation.codes, DEGRADED})
        return operation

    def put(self) -> Operation:
        key = self.chance.choice(FILE_KEYS)
        path, content = self.file()
        return Operation("put", ["put", "--", str(path), key], {key: content})

    def pipe(self) -> Operation:
        key = self.chance.choice(FILE_KEYS)
        content = self.content()
        if self.chance.random() < 0.4:
            # It never ends: nothing may come of it.
            return Operation("put, cut off", ["put", "--", "-", key], {key: self.model.expected.get(key)},
                             piped=content, ends=False)
        length = ["--length", str(len(content))] if self.chance.random() < 0.5 else []
        return Operation("put -", ["put", *length, "--", "-", key], {key: digest(content)}, piped=content)

    def command(self) -> Operation:
        key = self.chance.choice([key for key in FILE_KEYS if "-i" not in key])
        path, content = self.file()
        return Operation("put --from-command", ["put", "--from-command", key, "--", "cat", str(path)], {key: content})

    def tree(self) -> Operation:
        prefix = self.chance.choice(TREE_KEYS)
        directory = self.scratch / "tree"
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "sub").mkdir(parents=True)
        changes: dict[str, Content] = {f"{prefix}/": DIRECTORY, f"{prefix}/sub/": DIRECTORY}
        for _ in range(self.chance.randint(1, 6)):
            name = self.chance.choice(["", "sub/"]) + f"file-{self.chance.randint(0, 9)}"
            content = self.content()[:100_000]
            (directory / name).write_bytes(content)
            changes[f"{prefix}/{name}"] = digest(content)
        words = ["put", "-r", str(directory), prefix]
        if self.chance.random() < 0.5:
            words.append("--delete")
            for key in self.model.expected:
                if key.startswith(f"{prefix}/"):
                    changes.setdefault(key, None)
        return Operation("put -r --delete" if "--delete" in words else "put -r", words, changes)

    def remove(self) -> Operation:
        if self.chance.random() < 0.3:
            prefix = self.chance.choice(TREE_KEYS)
            under = [key for key in self.model.expected if key.startswith(f"{prefix}/")]
            if under:
                return Operation("rm -r", ["rm", "-r", prefix], {key: None for key in under})
        present = [key for key in FILE_KEYS if key in self.model.expected]
        if not present:
            return self.put()
        keys = self.chance.sample(present, min(len(present), self.chance.randint(1, 2)))
        return Operation("rm", ["rm", "--", *keys], {key: None for key in keys})

    def get(self) -> Operation:
        target = self.scratch / "got" / "out"
        shutil.rmtree(target.parent, ignore_errors=True)
        target.parent.mkdir()
        return Operation("get", ["get", f"{ROOT}/anchor", str(target)], writes=False, target=target)

    def repair(self) -> Operation:
        return Operation("repair", ["repair"])

    def scrub(self) -> Operation:
        # 6 says that damage was found, and it is mended now.
        return Operation("scrub --repair", ["scrub", "--repair"], codes=(DONE, DEGRADED))

    def rebuild(self) -> Operation:
        return Operation("index rebuild", ["index", "rebuild"], writes=False)

    def lose(self) -> Operation:
        label = self.chance.choice(sorted(self.bsctl.devices()))
        return Operation("simulate disk-loss", ["simulate", "disk-loss", label], loses={label}, writes=False)

    def move(self) -> Operation:
        """A device in use is replaced by another directory, as when a disk is exchanged ahead of its death."""
        return self.replacement(self.chance.choice(sorted(self.bsctl.devices())))

    def replacement(self, label: str) -> Operation:
        self.places += 1
        place = self.bsctl.home / f"{label}-{self.places}"
        return Operation(
            "device replace", ["device", "replace", label, str(place)], codes=(DONE, DEGRADED), loses={label})
