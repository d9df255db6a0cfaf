"""The two trees that perf/compare stores: made once from this machine's files and the corpora, kept beside the corpora.

mixed  half binaries (the Swift toolchain, /usr/lib), a quarter versions of sources, of libraries and of a database, a fifth
       random bytes; what is missing of one part is made up with binaries
small  files of 4 KiB of random bytes, 200 to a directory

What is taken depends on names and sizes alone, so one machine makes the same tree again; another has other binaries."""
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import support
from support import CACHE, Missing, say

RECIPE = 1
CORPORA = ("django", "numpy", "database")
# How many versions of each tree, the newest; four of django would be two thirds of all files.
VERSIONS = {"django": 2, "numpy": 3}
RANDOM_SHARE, VERSION_SHARE = 0.2, 0.25
RANDOM_FILE_BYTES = (64 << 10, 1 << 20, 16 << 20)
SMALL_FILE_BYTES, FILES_PER_DIRECTORY = 4096, 200
BINARY_MAGICS = (b"\x7fELF", b"!<arch>\n")
MODIFIED = 1_700_000_000
PIECE = 1 << 20


class Data:
    """A tree to store: its name, its directory, how much there is, and the digest of each file by its relative path.

    Making it reads everything, so the sources are in the page cache afterwards."""

    def __init__(self, name, path):
        self.name, self.path = name, path
        self.digests = digests(path)
        sizes = {file: (path / file).stat().st_size for file in self.digests}
        self.bytes, self.files = sum(sizes.values()), len(sizes)
        self.largest = max(sizes, key=lambda file: (sizes[file], file))
        self.largest_bytes = sizes[self.largest]

    def differs_from(self, directory):
        """The first path that is not in `directory` as it is here, or is there and not here; None when all are the same."""
        found = digests(directory)
        if found == self.digests:
            return None
        return min(set(found.items()) ^ set(self.digests.items()))[0]

    def document(self):
        names = "".join(f"{digest}  {file}\n" for file, digest in sorted(self.digests.items()))
        return {
            "name": self.name, "bytes": self.bytes, "files": self.files, "largestBytes": self.largest_bytes,
            "sha256OfDigests": hashlib.sha256(names.encode()).hexdigest()}


def digests(directory):
    found = {}
    buffer = memoryview(bytearray(PIECE))
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            digest = hashlib.sha256()
            with open(path, "rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    digest.update(buffer[:count])
            found[os.path.relpath(path, directory)] = digest.hexdigest()
    return found


def kept(name, count):
    """The tree of that name, with so many bytes or files; built when it is not there or of another recipe."""
    folder = CACHE / "compare"
    final, stamp = folder / f"{name}-{count}", folder / f"{name}-{count}.json"
    if not stamp.exists() or json.loads(stamp.read_text()) != {"recipe": RECIPE} or not final.is_dir():
        say(f"making {final}")
        # In a process of its own: this one stays small, for what it starts is told to have had as much memory.
        if subprocess.run([sys.executable, __file__, name, str(count), final]).returncode != 0:
            raise Missing(f"the {name} tree could not be made")
        stamp.write_text(json.dumps({"recipe": RECIPE}) + "\n")
    return Data(name, final)


def build(name, count, final):
    draft = final.with_suffix(".new")
    for old in (draft, final):
        shutil.rmtree(old, ignore_errors=True)
    draft.mkdir(parents=True)
    {"mixed": build_mixed, "small": build_small}[name](draft, count)
    draft.rename(final)


def order(name):
    """An order of names that has nothing to do with what they say."""
    return hashlib.sha256(name.encode()).digest()


def in_share(name, share):
    return int.from_bytes(order(name)[:4], "big") < share * (1 << 32)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (MODIFIED, MODIFIED))


# Parts; each returns how many bytes it wrote.


def build_mixed(target, byte_count):
    written = add_random(target / "random", int(byte_count * RANDOM_SHARE))
    written += add_versions(target / "versions", int(byte_count * VERSION_SHARE))
    swift = shutil.which("swift")
    if swift:
        toolchain = Path(os.path.realpath(swift)).parent.parent
        written += add_binaries(target / "toolchain", toolchain, (byte_count - written) // 2)
    written += add_binaries(target / "libraries", Path("/usr/lib"), byte_count - written)
    if written < byte_count * 0.9:
        raise Missing(f"this machine has binaries for a tree of {written / 1e6:.0f} MB only: give --bytes {written}")


def add_random(target, byte_count):
    source = random.Random(81)
    written = number = 0
    while written < byte_count:
        size = min(RANDOM_FILE_BYTES[number % len(RANDOM_FILE_BYTES)], byte_count - written)
        write(target / f"{number:04}.bin", source.randbytes(size))
        written += size
        number += 1
    return written


def add_versions(target, byte_count):
    have = support.corpora() if support.MANIFEST.exists() else []
    lacking = set(CORPORA) - {corpus["name"] for corpus in have}
    if lacking:
        made = subprocess.run([sys.executable, support.REPOSITORY / "perf" / "corpora", *sorted(lacking)], stdout=sys.stderr)
        if made.returncode != 0:
            raise Missing("perf/corpora could not make what the mixed tree is made from")
    paths = {corpus["name"]: corpus["path"] for corpus in support.corpora(list(CORPORA))}
    versions = [
        (f"{name}-{number}", members)
        for name, count in VERSIONS.items()
        for number, members in enumerate(tree_versions(paths[name])[-count:])]
    databases = database_versions(paths["database"])
    total = sum(member.size for _, members in versions for member in members) + sum(map(len, databases))
    share = min(1, byte_count / total)
    written = 0
    for name, members in versions:
        with open(paths[name.split("-")[0]], "rb") as corpus:
            for member in members:
                # By its name: every version has the same files.
                if in_share(member.name, share):
                    corpus.seek(member.offset_data)
                    write(target / name / member.name, corpus.read(member.size))
                    written += member.size
    for number, database in enumerate(databases):
        part = database[: int(len(database) * share)]
        write(target / f"orders-{number}.db", part)
        written += len(part)
    return written


def tree_versions(path):
    """The members of each version in a corpus of tars one after another: names ascend, and start anew with each."""
    versions, last = [], None
    with tarfile.open(path, ignore_zeros=True) as tar:
        for member in tar:
            if last is None or member.name < last:
                versions.append([])
            last = member.name
            versions[-1].append(member)
    return versions


def database_versions(path):
    content = Path(path).read_bytes()
    second = content.index(b"SQLite format 3\0", 1)
    return content[:second], content[second:]


def add_binaries(target, root, byte_count):
    """Programs and libraries of `root` until that many bytes are there, none of them more than half of it."""
    candidates = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink() and path.is_file():
                candidates.append(path.relative_to(root))
    written = 0
    for name in sorted(candidates, key=lambda name: order(str(name))):
        size = (root / name).stat().st_size
        if size <= min(byte_count - written, byte_count // 2) and is_binary(root / name):
            write(target / name, (root / name).read_bytes())
            written += size
    return written


def is_binary(path):
    try:
        with open(path, "rb") as file:
            return file.read(8).startswith(BINARY_MAGICS)
    except PermissionError:
        return False


def build_small(target, file_count):
    source = random.Random(82)
    for number in range(file_count):
        folder = target / f"{number // FILES_PER_DIRECTORY:03}"
        write(folder / f"{number:06}.bin", source.randbytes(SMALL_FILE_BYTES))


if __name__ == "__main__":
    try:
        build(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    except Missing as error:
        support.fail(error)
