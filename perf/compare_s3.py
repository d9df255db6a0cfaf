#!/usr/bin/env python3
"""A small S3 client for perf/compare, without signatures: one connection for each of a few threads, whole files at a time.

usage: compare_s3.py put|get|sync|cat HOST:PORT BUCKET PATH [KEY]

put   stores every file under PATH by its relative path
get   reads every object of the bucket into PATH
sync  lists the bucket and stores what is not there with the same size, or is younger here: what S3 tools do with a
      tree that they stored before
cat   writes the object KEY to standard output"""
import http.client
import os
import queue
import sys
import threading
import urllib.parse
import xml.etree.ElementTree
from datetime import datetime
from pathlib import Path

THREADS = 8
PIECE = 1 << 20
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Bucket:
    """One connection to one bucket. One thread at a time."""

    def __init__(self, address, name):
        self.connection = http.client.HTTPConnection(address, timeout=300, blocksize=PIECE)
        self.name = name

    def request(self, method, key, body=None, headers={}):
        self.connection.request(method, f"/{self.name}/{urllib.parse.quote(key)}", body, headers)
        response = self.connection.getresponse()
        if response.status != 200:
            sys.exit(f"{method} {key}: {response.status} {response.read(500)!r}")
        return response

    def put(self, key, path):
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            # A small file goes out in one piece with its header.
            body = file.read() if size <= PIECE else file
            self.request("PUT", key, body, {"Content-Length": str(size)}).read()

    def get(self, key, file):
        response = self.request("GET", key)
        buffer = memoryview(bytearray(min(PIECE, response.length or PIECE)))
        while count := response.readinto(buffer):
            file.write(buffer[:count])

    def objects(self):
        """(key, size, time of change) of all objects."""
        after = ""
        while True:
            query = urllib.parse.urlencode({"list-type": 2, "max-keys": 1000, "start-after": after})
            self.connection.request("GET", f"/{self.name}?{query}")
            page = xml.etree.ElementTree.fromstring(self.connection.getresponse().read())
            for entry in page.iter(f"{NAMESPACE}Contents"):
                after = entry.find(f"{NAMESPACE}Key").text
                changed = datetime.fromisoformat(
                    entry.find(f"{NAMESPACE}LastModified").text.replace("Z", "+00:00"))
                yield after, int(entry.find(f"{NAMESPACE}Size").text), changed.timestamp()
            if page.find(f"{NAMESPACE}IsTruncated").text != "true":
                return


def in_parallel(address, bucket, jobs, work):
    waiting = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    failures = []

    def worker():
        try:
            connection = Bucket(address, bucket)
            while True:
                work(connection, waiting.get_nowait())
        except queue.Empty:
            pass
        except (SystemExit, OSError, http.client.HTTPException) as error:
            failures.append(error)

    threads = [threading.Thread(target=worker) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"S3: {failures[0]}")


def files(root):
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            yield os.path.relpath(path, root), path


def put(address, bucket, jobs):
    in_parallel(address, bucket, jobs, lambda connection, job: connection.put(*job))


def get(address, bucket, root):
    keys = [key for key, _, _ in Bucket(address, bucket).objects()]
    for folder in {os.path.dirname(key) for key in keys}:
        Path(root, folder).mkdir(parents=True, exist_ok=True)

    def fetch(connection, key):
        with open(os.path.join(root, key), "wb", buffering=0) as file:
            connection.get(key, file)

    in_parallel(address, bucket, keys, fetch)


def main():
    verb, address, bucket, path, *key = sys.argv[1:]
    if verb == "put":
        put(address, bucket, files(path))
    elif verb == "get":
        get(address, bucket, path)
    elif verb == "sync":
        there = {name: (size, changed) for name, size, changed in Bucket(address, bucket).objects()}
        changed = []
        for name, file in files(path):
            status = os.stat(file)
            size, time = there.get(name, (-1, 0))
            if status.st_size != size or status.st_mtime > time:
                changed.append((name, file))
        put(address, bucket, changed)
    else:
        Bucket(address, bucket).get(key[0], sys.stdout.buffer)


if __name__ == "__main__":
    main()
