"""What a store must hold, in a file outside of it: written and synced before an operation begins, settled after."""
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

# What a key may read as: the SHA-256 of its bytes, DIRECTORY, or None where it is not there.
Content = str | None
DIRECTORY = "directory"


@dataclass
class Model:
    """`expected` is what was acknowledged; `pending` is what an operation under way may have made of its keys."""

    path: Path
    expected: dict[str, str] = field(default_factory=dict)
    pending: dict[str, list[Content]] = field(default_factory=dict)
    # What killed operations may yet turn out to have made of their keys, until a later writer has ended well.
    undecided: dict[str, list[Content]] = field(default_factory=dict)

    def begin(self, changes: dict[str, Content]) -> None:
        """Each of these keys is, from now on, what it was or what `changes` says."""
        self.pending = {key: [self.expected.get(key), content] for key, content in changes.items()}
        for key, content in changes.items():
            self.undecided.setdefault(key, []).append(content)
        self.save()

    def acknowledge(self, changes: dict[str, Content]) -> None:
        self.settle(changes)

    def decide(self) -> None:
        """A writer has ended well: what was not there for it never will be."""
        self.undecided = {}
        self.save()

    def refuse(self) -> None:
        for key in self.pending:
            self.undecided[key].pop()
        self.pending = {}
        self.save()

    def allowed(self, key: str) -> list[Content]:
        return [*self.pending.get(key, [self.expected.get(key)]), *self.undecided.get(key, [])]

    def keys(self) -> set[str]:
        return set(self.expected) | set(self.pending) | set(self.undecided)

    def settle(self, found: dict[str, Content]) -> None:
        """What was found is what must stay."""
        for key, content in found.items():
            # What is older than what is there is past.
            if content != self.expected.get(key):
                self.undecided.pop(key, None)
            if content is None:
                self.expected.pop(key, None)
            else:
                self.expected[key] = content
        self.pending = {}
        self.save()

    def save(self) -> None:
        """Replaces the file, durably."""
        new = self.path.with_suffix(".new")
        with new.open("w") as file:
            json.dump({"expected": self.expected, "pending": self.pending}, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
