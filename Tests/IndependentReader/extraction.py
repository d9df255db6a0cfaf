"""Writing objects into a new directory: keys are paths below it, and none leads out of it."""

from __future__ import annotations

import os
from typing import Iterator

from contents import Put
from cursor import require

FILE, LINK, DIRECTORY = 0, 1, 2


def extraction_order(put: Put) -> tuple[bool, bytes]:
    """Links come last, so that no file is ever written through one."""
    return put.kind == LINK, put.key


def write(put: Put, content: Iterator[bytes], directory: str) -> None:
    path = os.path.join(os.fsencode(directory), *_components(put))
    if put.kind == DIRECTORY:
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if put.kind == LINK:
        os.symlink(b"".join(content), path)
        return
    with open(path, "xb") as file:
        file.writelines(content)
    if put.mode is not None:
        os.chmod(path, put.mode & 0o777)
    if put.modified_nanoseconds is not None:
        os.utime(path, ns=(put.modified_nanoseconds, put.modified_nanoseconds))


def _components(put: Put) -> list[bytes]:
    components = put.key.split(b"/")
    if put.kind == DIRECTORY:
        require(components.pop() == b"", "a directory", "its key does not end in /")
    is_below = not any(component in (b"", b".", b"..") for component in components)
    require(is_below, "extraction", "the key is no path below a directory")
    return components
