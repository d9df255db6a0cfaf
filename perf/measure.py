#!/usr/bin/env python3
"""Runs a command and prints one line: wall and CPU seconds, peak memory of it and its children, MB/s."""
import argparse
import resource
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--name", required=True)
parser.add_argument("--bytes", type=int, default=0, help="what the rate counts")
parser.add_argument("command", nargs=argparse.REMAINDER)
arguments = parser.parse_args()
command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command

start = time.monotonic()
code = subprocess.call(command, stdout=subprocess.DEVNULL)
wall = time.monotonic() - start
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
rate = f"{arguments.bytes / wall / 1e6:7.0f} MB/s" if arguments.bytes else " " * 12
print(
    f"{arguments.name:<28} {rate}  wall {wall:7.2f} s  user {usage.ru_utime:6.2f} s  sys {usage.ru_stime:6.2f} s"
    f"  peak {usage.ru_maxrss / 1024:5.0f} MiB"
    + ("" if code in (0, 6) else f"  EXIT {code}")
)
sys.exit(0 if code in (0, 6) else code)
