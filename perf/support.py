"""What the programs in perf/ share: where things are kept, what gets installed, what machine this is."""
import hashlib
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("BS_CORPORA") or Path.home() / ".cache" / "blockstore-corpora")
RESULTS = REPOSITORY / "perf" / "results"
MANIFEST = CACHE / "corpora.json"


class Missing(Exception):
    """Something that this run needs and could not get: what it is and what to do about it."""


def fail(message):
    print(f"{Path(sys.argv[0]).name}: {message}", file=sys.stderr)
    sys.exit(1)


def say(message):
    print(message, file=sys.stderr, flush=True)


# What is installed


def require_debian(*packages):
    """Installs the Debian packages that are missing; throws `Missing` when this user or system cannot."""
    if shutil.which("dpkg-query") is None:
        raise Missing(f"needs what Debian calls {' '.join(packages)}, and this system has no dpkg")
    missing = []
    for package in packages:
        query = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True)
        if "install ok installed" not in query.stdout:
            missing.append(package)
    if not missing:
        return
    as_root = []
    if os.geteuid() != 0:
        if subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode != 0:
            raise Missing(f"ask for: sudo apt-get install -y {' '.join(missing)}")
        as_root = ["sudo"]
    say(f"installing {' '.join(missing)}")
    subprocess.run([*as_root, "apt-get", "update", "-qq"], capture_output=True)
    install = subprocess.run(
        [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq",
         "--no-install-recommends", *missing],
        capture_output=True, text=True,
    )
    if install.returncode != 0:
        raise Missing(f"apt-get install {' '.join(missing)} failed: {last_line(install.stderr)}")


def debian_versions(*packages):
    """The installed versions, by package; without those that are not installed."""
    query = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *packages], capture_output=True, text=True)
    return dict(line.split() for line in query.stdout.splitlines() if len(line.split()) == 2)


def venv_python():
    """The interpreter of the virtual environment in the cache directory, made when it is not there."""
    python = CACHE / "venv" / "bin" / "python3"
    if python.exists() and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return python
    if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True).returncode != 0:
        require_debian("python3-venv")
    shutil.rmtree(CACHE / "venv", ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", CACHE / "venv"], capture_output=True, text=True)
    if made.returncode != 0:
        raise Missing(f"cannot make a virtual environment in {CACHE / 'venv'}: {last_line(made.stderr or made.stdout)}")
    return python


def rerun_with(*requirements):
    """Runs this very script again under the cache's interpreter with `requirements` (name==version) installed;
    returns when it already runs so. Names that cannot be installed end the script with what is missing."""
    python = venv_python()
    wanted = dict(requirement.split("==") for requirement in requirements)
    probe = (
        "import importlib.metadata as m, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: print(name, '-')\n"
    )
    found = subprocess.run([python, "-c", probe, *wanted], capture_output=True, text=True, check=True).stdout
    have = dict(line.split() for line in found.splitlines())
    lacking = [f"{name}=={version}" for name, version in wanted.items() if have.get(name) != version]
    if lacking:
        say(f"installing {' '.join(lacking)} into {CACHE / 'venv'}")
        pip(python, "install", *lacking)
    if Path(sys.prefix).resolve() != (CACHE / "venv").resolve():
        sys.stdout.flush()
        os.execv(python, [str(python), *sys.argv])


def pip(python, *arguments):
    run = subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments], capture_output=True, text=True)
    if run.returncode != 0:
        raise Missing(f"pip {' '.join(map(str, arguments))} failed: {last_line(run.stderr)}")


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no message"])[-1].strip()


def compile_c(source, *libraries, others=(), headers=(), compiler="cc"):
    """Compiles a C file of this directory, with `others`, into the cache; the path of the program. Again only when one of them or of
    `headers` changed. What cc cannot compile, the clang that comes with Swift may."""
    if compiler == "cc" and shutil.which("cc") is None:
        require_debian("gcc", "libc6-dev")
    program = shutil.which(compiler) or beside_swift(compiler)
    if program is None:
        raise Missing(f"needs {compiler}, which is neither on the path nor beside swift")
    parts = [path.read_bytes() for path in (source, *others, *headers)]
    digest = hashlib.sha256(b"".join(parts) + " ".join(libraries).encode()).hexdigest()[:16]
    target = CACHE / "bin" / f"{source.stem}-{digest}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(".new")
        command = [program, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o", draft, source, *others, *libraries]
        built = subprocess.run(command, capture_output=True, text=True)
        if built.returncode != 0:
            raise Missing(f"cannot compile {source.name}: {last_line(built.stderr)}")
        draft.rename(target)
    return target


def beside_swift(name):
    """The program of that name in the Swift toolchain; None when there is none."""
    swift = shutil.which("swift")
    return swift and shutil.which(name, path=Path(os.path.realpath(swift)).parent)


def bsctl():
    """The release build of bsctl, built when it is older than its sources; BSCTL_BINARY names another."""
    given = os.environ.get("BSCTL_BINARY")
    if given:
        if shutil.which(given) is None:
            raise Missing(f"BSCTL_BINARY names {given}, which cannot be run")
        return given
    if shutil.which("swift") is None:
        raise Missing("swift is not on the path, and BSCTL_BINARY names no bsctl")
    say("building bsctl (release)")
    built = subprocess.run(
        ["swift", "build", "-c", "release", "--product", "bsctl", "--package-path", REPOSITORY],
        capture_output=True, text=True)
    if built.returncode != 0:
        raise Missing(f"swift build failed: {last_line(built.stdout + built.stderr)}")
    return str(REPOSITORY / ".build" / "release" / "bsctl")


# Measuring


def run(command, *, discards=False, **options):
    """Runs a command: (what it printed, wall and CPU seconds and peak memory of the whole process and what it waited for).

    With `discards` nobody reads what it prints, which may be more than there is room for."""
    start = time.monotonic()
    if discards:
        with open(os.devnull, "wb") as nothing:
            process = subprocess.Popen(
                [str(word) for word in command], stdout=nothing, stderr=subprocess.PIPE, text=True, **options)
    else:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    output, errors, usage = wait_with_usage(process)
    wall = time.monotonic() - start
    if process.returncode != 0:
        raise Missing(f"{Path(command[0]).name} {' '.join(map(str, command[1:3]))}: {last_line(errors or output)}")
    return output, {
        "wallSeconds": wall, "userSeconds": usage.ru_utime, "systemSeconds": usage.ru_stime,
        "peakBytes": usage.ru_maxrss << 10}


def run_json(command):
    """Runs a command that prints one JSON document: (document, wall and CPU seconds of the whole process)."""
    output, process = run(command)
    try:
        return json.loads(output), process
    except ValueError as error:
        raise Missing(f"{Path(command[0]).name} {' '.join(map(str, command[1:3]))} printed no JSON: {error}") from error


def wait_with_usage(process):
    # Both pipes are read side by side: a full one would stop the process for ever.
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    reader.start()
    output = process.stdout.read() if process.stdout else ""
    reader.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return output, errors[0], usage


def forget(directory):
    """Nothing of what is under `directory` stays in the page cache. A server may be at work there."""
    os.sync()
    for path in files(directory):
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def warm_up(byte_count, directory):
    """Writes twice as much: no program is the first to touch the memory and the disk blocks of a run."""
    path = directory / "warm"
    with open(path, "wb") as file:
        for _ in range(2 * byte_count >> 20):
            file.write(os.urandom(1 << 20))
    forget(directory)
    path.unlink(missing_ok=True)


def hollow(directory):
    """Cuts all files to length 0: their room is free again, their inodes are not."""
    for path in files(directory):
        try:
            os.truncate(path, 0)
        except PermissionError:
            os.chmod(path, 0o600)
            os.truncate(path, 0)


def stored_bytes(directory):
    """What all that is under `directory` takes on the disk."""
    total = 0
    for path in files(directory):
        try:
            total += os.lstat(path).st_blocks * 512
        except FileNotFoundError:
            continue
    return total


def files(directory):
    """The paths of all regular files under `directory`."""
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def summary(values):
    return {"best": max(values), "median": statistics.median(values), "rounds": len(values)} if values else None


def machine():
    """The processor, cores, memory and kernel: what a reader needs to place the figures, and no names."""
    fields = {}
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    model = fields.get("model name", platform.machine())
    if "cpu family" in fields:
        # Virtual machines often hide the model's name; the numbers still tell the generation.
        model += f" (family {fields['cpu family']}, model {fields.get('model', '?')})"
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    release = re.match(r"\d+(\.\d+)*", platform.release())
    return {
        "cpu": model,
        "features": [name for name in ("avx2", "avx512bw", "gfni", "vaes", "sha_ni", "asimd", "sha2") if name in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memoryGiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)),
        "kernel": f"{platform.system()} {release.group(0) if release else ''}".strip(),
        "architecture": platform.machine(),
    }


def machine_line(values):
    return (
        f"{values['cores']} cores of {values['cpu']} ({', '.join(values['features']) or 'no features listed'}), "
        f"{values['memoryGiB']} GiB, {values['kernel']}"
    )


def commit():
    """The commit of this tree, with a plus sign when files differ from it."""
    def git(*arguments):
        return subprocess.run(["git", "-C", REPOSITORY, *arguments], capture_output=True, text=True).stdout.strip()

    name = git("rev-parse", "--short=8", "HEAD") or "unknown"
    return name + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


def save(folder, kind, document, markdown):
    """Writes DATE-COMMIT-KIND.json and .md into `folder`, and returns the path of the table."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{time.strftime('%Y-%m-%d')}-{document['commit']}-{kind}"
    (folder / f"{stem}.json").write_text(json.dumps(document, indent=1) + "\n")
    (folder / f"{stem}.md").write_text(markdown)
    return folder / f"{stem}.md"


# Corpora and chunks


def corpora(names=None, largest_bytes=None):
    """The corpora of the manifest, in order: dictionaries with `name`, `path`, `bytes`, `about`."""
    if not MANIFEST.exists():
        raise Missing("no corpora yet: run perf/corpora first")
    known = json.loads(MANIFEST.read_text())
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        raise Missing(f"no corpus named {unknown[0]}: there are {', '.join(known)}")
    chosen = []
    for name, entry in known.items():
        path = CACHE / entry["file"]
        if (names and name not in names) or (largest_bytes and entry["bytes"] > largest_bytes):
            continue
        if not path.exists() or path.stat().st_size != entry["bytes"]:
            raise Missing(f"corpus {name} is damaged: run perf/corpora again")
        chosen.append({"name": name, "path": path, "bytes": entry["bytes"], "about": entry["about"]})
    return chosen


def reference_chunker(size, minimum):
    """FastCDC 2020 as pyfastcdc has it: normalised by one bit around `size`, chunks of `minimum` to four times `size`."""
    from pyfastcdc import FastCDC

    return FastCDC(size, min_size=minimum, max_size=size * 4, normalized_chunking=1)


def reference_shape(mean_bytes, data):
    """The size and minimum for `reference_chunker` at which the chunks of `data` have a mean near `mean_bytes`.

    Chunkers are compared at equal means; a nominal average is what its author wants it to be. The minimum is a quarter of
    the size, as is usual, unless a larger share of it is needed to come within 3%: the masks jump at powers of two, and
    some means cannot be had otherwise."""

    def distance(shape):
        return abs(len(data) / sum(1 for _ in reference_chunker(*shape).cut_buf(data)) / mean_bytes - 1)

    best = None
    for share in (1 / 4, 3 / 8, 1 / 2):
        # From a fifth to eight fifths. No smooth function either, so try them all.
        sizes = [max(1024, int(mean_bytes * 0.2 * 8 ** (step / 31))) for step in range(32)]
        found = min(((distance(shape), shape) for shape in ((size, max(64, int(size * share))) for size in sizes)))
        best = min(best or found, found)
        if best[0] <= 0.03:
            break
    return best[1]


def random_bytes(count):
    """Always the same ones. In pieces, since `randbytes` makes one number of all it is asked for, which has a limit."""
    source = random.Random(20)
    return b"".join(source.randbytes(min(1 << 20, count - start)) for start in range(0, count, 1 << 20))


def kib(count):
    return f"{count // 1024} KiB"
