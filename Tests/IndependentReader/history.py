"""Which commits are real, and what they add up to (docs/format.md §10)."""

from __future__ import annotations

from typing import Callable, Iterator, Mapping, Protocol, Set

from contents import Commit, Contents, Delete, Identity, Profile, Purge, Put, Record, Reshape, Retired
from cursor import FormatError
from galois import rank
from shard import BlockName, Row

NOTHING_RETIRED = Retired((), frozenset(), ())


class Evidence(Protocol):
    """What the devices show."""

    devices: Set[bytes]

    def is_readable(self, name: BlockName) -> bool:
        """Whether the sound shards span the block's columns."""

    def named_rows(self, name: BlockName) -> Set[Row]:
        """The rows of the block that have a name, whatever is in the files."""


class History:
    """The commits found, linked downwards."""

    def __init__(self, blocks: Mapping[BlockName, Contents]) -> None:
        self._contents = blocks
        self._commits = {name: commit for name in blocks if (commit := _commit_ending_in(name, blocks[name]))}
        self._retired_by = {
            name: body for name, commit in self._commits.items() if (body := _retired_by(commit, blocks)) is not None
        }
        self.retired = NOTHING_RETIRED  # What the head says, once it is known.
        self.lost: list[str] = []  # What the chain names and nobody has.

    def _walk(self, name: BlockName) -> Iterator[tuple[BlockName, tuple[int, BlockName] | None]]:
        """The commits found from this one downwards, each with number and last block of what should be below it.

        The topmost retired record counts for everything below: redundant commits are stepped over, found or not.
        """
        retired: Retired | None = None
        following: BlockName | None = name
        while following is not None:
            commit = self._commits[following]
            retired = retired or self._retired_by.get(following)
            below = _below(commit, retired or NOTHING_RETIRED)
            yield following, below
            following = self._found(below, commit) if below else None

    def _found(self, below: tuple[int, BlockName], above: Commit) -> BlockName | None:
        """The commit below, or, where it is missing, the newest that the writer of the one above can have seen."""
        number, block = below
        if block in self._commits:
            return block
        older = [
            (other.number, other.epoch, name)
            for name, other in self._commits.items()
            if other.number < number and other.epoch <= above.epoch
        ]
        return max(older)[2] if older else None

    def _governing(self, leaf: BlockName) -> Retired:
        return next((self._retired_by[n] for n, _ in self._walk(leaf) if n in self._retired_by), NOTHING_RETIRED)

    def _leaves(self, candidates: Set[BlockName]) -> set[BlockName]:
        """The commits that no other stands on."""
        leaves: set[BlockName] = set()
        covered: set[BlockName] = set()
        for name in sorted(candidates, key=lambda name: (self._commits[name].number, name), reverse=True):
            if name not in covered:
                leaves.add(name)
                covered.update(found for found, _ in self._walk(name))
        return leaves

    def _is_remnant(self, name: BlockName, others: Set[BlockName]) -> bool:
        """Whether the same writer made it redundant, and only its files are still there."""
        commit = self._commits[name]
        return any(
            self._commits[other].number > commit.number
            and self._commits[other].whole_epoch == commit.whole_epoch
            and self._governing(other).redundant(commit.number)
            for other in others
        )

    def head(self, evidence: Evidence, warn: Callable[[str], None]) -> BlockName:
        """The last block of the newest real commit."""
        candidates = set(self._commits)
        while candidates:
            leaves = self._leaves(candidates)
            epoch = max(self._commits[name].epoch for name in leaves)
            tied = {name for name in leaves if self._commits[name].epoch == epoch}
            highest = {name for name in tied if not self._is_remnant(name, tied)}
            possible = [name for name in sorted(highest) if self._is_possible(self._commits[name], evidence)]
            if len(possible) > 1:
                raise FormatError(f"epoch {epoch} was drawn by two writers: {' and '.join(map(str, possible))}")
            if possible:
                return self._readable(possible[0], evidence)
            for name in highest:
                warn(f"passed over commit {self._commits[name].number} in block {name}: it was never acknowledged")
            candidates -= highest
        raise FormatError("no commit was found: too few shards, or nothing was ever committed")

    def _is_possible(self, commit: Commit, evidence: Evidence) -> bool:
        """Whether it can be read, or may have been acknowledged by devices that are not here."""
        absent = len(commit.devices - evidence.devices)
        return all(map(evidence.is_readable, commit.least_shards)) or all(
            self._may_be_acknowledged(commit, name, evidence.named_rows(name), absent) for name in commit.least_shards
        )

    @staticmethod
    def _may_be_acknowledged(commit: Commit, name: BlockName, named: Set[Row], absent: int) -> bool:
        least, k = commit.least_shards[name], commit.profiles[name].data_count
        if len(named) + absent < least:
            return False
        # Each absent device may add one dimension to what the rows found determine.
        return least <= k or rank([row.coefficients(range(k)) for row in sorted(named)], k) + absent >= k

    def _readable(self, name: BlockName, evidence: Evidence) -> BlockName:
        commit = self._commits[name]
        for block in commit.least_shards:
            if not evidence.is_readable(block):
                raise FormatError(
                    f"commit {commit.number} may have been acknowledged, but too few shards of its block {block} were"
                    f" found; {len(commit.devices - evidence.devices)} of its devices were not given"
                )
        return name

    def chain(self, head: BlockName) -> list[Commit]:
        """The commits from the first to the head."""
        self.retired = self._governing(head)
        chain: list[Commit] = []
        missing: tuple[int, BlockName] | None = None
        for name, below in self._walk(head):
            commit = self._commits[name]
            if missing is not None and missing[1] != name:
                self.lost.append(f"commit {missing[0]} in block {missing[1]}")
            if chain and commit.number >= chain[-1].number:
                raise FormatError(f"commit {chain[-1].number} stands on commit {commit.number} in block {name}")
            chain.append(commit)
            missing = below
        if missing is not None:
            self.lost.append(f"commit {missing[0]} in block {missing[1]}")
        return chain[::-1]

    def records(self, chain: list[Commit]) -> dict[Identity, Record]:
        """The records of the chain's blocks by identity."""
        records: dict[Identity, Record] = {}
        for commit in chain:
            for name in commit.least_shards:
                if self.retired.holds(name):
                    continue
                if name not in self._contents:
                    self.lost.append(f"block {name} of commit {commit.number}")
                    continue
                for record in self._contents[name].records:
                    known = records.setdefault(record.identity, record)
                    if known.body_bytes != record.body_bytes:
                        raise FormatError(f"record {record.identity} stands in two blocks with different bodies")
        return records


def profiles(chain: list[Commit], records: Mapping[Identity, Record]) -> dict[BlockName, Profile]:
    """What each block should have now: its commit says it, and the newest profile record of a later one that means it."""
    result = {name: profile for commit in chain for name, profile in commit.profiles.items()}
    commits = {name: commit.number for commit in chain for name in commit.profiles}
    for identity in sorted(records):
        body = records[identity].body
        if isinstance(body, Reshape):
            for name, profile in result.items():
                is_meant = body.first <= name.number <= body.last and commits[name] < identity.commit
                if is_meant and profile.data_count == body.profile.data_count:
                    result[name] = body.profile
    return result


def _commit_ending_in(name: BlockName, contents: Contents) -> Commit | None:
    """The commit whose last block this is."""
    for record in contents.records:
        if isinstance(record.body, Commit) and record.body.last_block == name:
            return record.body
    return None


def _retired_by(commit: Commit, blocks: Mapping[BlockName, Contents]) -> Retired | None:
    """What a commit itself says is retired."""
    for name in reversed(list(commit.least_shards)):
        for record in blocks[name].records if name in blocks else ():
            if isinstance(record.body, Retired) and record.identity.commit == commit.number:
                return record.body
    return None


def _below(commit: Commit, retired: Retired) -> tuple[int, BlockName] | None:
    """Number and last block of the commit below, past redundant ones; None below the first."""
    if commit.number == 1:
        return None
    redundant = retired.redundant(commit.number - 1)
    if redundant is None:
        return commit.number - 1, commit.previous
    return (redundant.first - 1, redundant.below) if redundant.first > 1 else None


def newest_puts(records: Mapping[Identity, Record]) -> dict[bytes, Put]:
    """Each key's newest version, where that is no delete."""
    gone = {(record.body.key, record.body.gone) for record in records.values() if isinstance(record.body, Purge)}
    newest: dict[bytes, Put | Delete] = {}
    for identity in sorted(records):
        body = records[identity].body
        if isinstance(body, (Put, Delete)) and (body.key, identity) not in gone:
            newest[body.key] = body
    return {key: body for key, body in sorted(newest.items()) if isinstance(body, Put)}
