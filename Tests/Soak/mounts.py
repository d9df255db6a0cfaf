"""Small real file systems: tmpfs, and images mounted by way of loop devices. Needs root, and a mount namespace of
its own (scripts/filesystems makes one), with which everything here ends."""
import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

PAGE_BYTES = 4096
MIB = 1 << 20
# <linux/fs.h>: EXT4_IOC_SHUTDOWN and its flag "without flushing the log".
SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2


class Missing(Exception):
    """A facility that this machine does not have."""


def command(*words: str | Path) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.returncode}")


def facility(*words: str | Path) -> None:
    """A command that this machine may not be able to carry out."""
    try:
        command(*words)
    except OSError as error:
        raise Missing(str(error)) from None


def mount_tmpfs(place: Path, byte_count: int, inodes: int = 0) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    facility("mount", "-t", "tmpfs", "-o", f"size={byte_count},nr_inodes={inodes}", "tmpfs", place)
    return place


def make_image(image: Path, byte_count: int, kind: str = "ext4") -> Path:
    """A sparse file with an empty file system."""
    makers = {
        "ext4": ["mkfs.ext4", "-q", "-F", "-b", str(PAGE_BYTES), "-m", "0", "-J", "size=4", "-E",
                 "lazy_itable_init=1,lazy_journal_init=1"],
        "xfs": ["mkfs.xfs", "-q", "-f"],
        "btrfs": ["mkfs.btrfs", "-q", "-f", "-M"],
    }
    maker = makers[kind]
    if shutil.which(maker[0]) is None:
        raise Missing(f"no {maker[0]}")
    with image.open("wb") as file:
        file.truncate(byte_count)
    facility(*maker, image)
    return image


def mount_image(image: Path, place: Path) -> Path:
    """The loop device goes when the mount does."""
    place.mkdir(parents=True, exist_ok=True)
    facility("mount", "-o", "loop", image, place)
    return place


def unmount(place: Path, lazily: bool = False) -> None:
    command("umount", *(["-l"] if lazily else []), place)


def remount(place: Path, options: str) -> None:
    command("mount", "-o", f"remount,{options}", place)


def shut_down(place: Path) -> None:
    """The file system fails from now on as if its disk had been pulled out."""
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(directory, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    except OSError as error:
        raise Missing(f"shutting a file system down: {error}") from None
    finally:
        os.close(directory)


def free_bytes(place: Path) -> int:
    space = os.statvfs(place)
    return space.f_bavail * space.f_frsize


class Filler:
    """Leaves a mount with exactly as much free space, or as many free inodes, as asked for."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.file = place / "filler"
        self.directory = place / "fillers"

    def leave(self, byte_count: int) -> int:
        """Returns what is free now: `byte_count`, or as close to it as the file system lets."""
        with self.file.open("ab") as file:
            for _ in range(64):
                free = free_bytes(self.place)
                size = file.seek(0, os.SEEK_END)
                if free == byte_count or free < byte_count and size == 0:
                    break
                if free < byte_count:
                    file.truncate(max(0, size - (byte_count - free)))
                else:
                    self.extend(file.fileno(), size, free - byte_count)
                os.fsync(file.fileno())
        return free_bytes(self.place)

    @staticmethod
    def extend(file: int, size: int, byte_count: int) -> None:
        """As far as it goes: the file system may need blocks of its own."""
        while byte_count >= PAGE_BYTES:
            try:
                os.posix_fallocate(file, size, byte_count)
                return
            except OSError:
                byte_count = byte_count // 2 // PAGE_BYTES * PAGE_BYTES

    def leave_inodes(self, count: int) -> int:
        self.directory.mkdir(exist_ok=True)
        names = [path for path in self.directory.iterdir()]
        while (free := os.statvfs(self.place).f_favail) != count:
            if free > count:
                path = self.directory / str(len(names))
                path.touch()
                names.append(path)
            elif names:
                names.pop().unlink()
            else:
                break
        return os.statvfs(self.place).f_favail

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)
