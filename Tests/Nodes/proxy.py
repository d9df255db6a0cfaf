#!/usr/bin/env python3
"""A proxy before an S3 server that fails as networks and servers do.

usage: proxy.py --to HOST:PORT [--port N]

Its address is the first line of its output. Rules come on its input, one a line, and each is answered with a line "ok"; it ends when
its input does. A rule is FAULT [TIMES] [METHOD] [TEXT]: the next TIMES requests (1; "always") with that METHOD ("any") whose path and query contain TEXT
meet FAULT. "clear" forgets all rules; "count" answers with the number of requests that came, "bytes" with that of bytes in answers, instead of
"ok".

  refuse    the connection is closed before anything is read
  drop      the request reaches the server, its answer is lost
  error     500 InternalError, the server hears nothing
  late-error  the server does it, and the answer is 500
  slow-down 503 SlowDown
  cut       half of the answer's body, then the connection is reset
  garble    one byte of the answer's body is another
  damage    one byte of the request's body is another
  twice     the server gets the request twice; the second answer is the one that is told
  stall     nothing is ever said
  delay     half a second passes
  linger    five seconds pass
  stale     a listing that lacks its last key
"""
import argparse
import http.client
import re
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP = {"connection", "keep-alive", "transfer-encoding"}


class Rules:
    def __init__(self):
        self.lock = threading.Lock()
        self.rules = []
        self.count = 0
        self.bytes = 0

    def add(self, line):
        fault, *rest = line.split()
        with self.lock:
            if fault == "clear":
                self.rules = []
                return "ok"
            if fault == "count":
                return str(self.count)
            if fault == "bytes":
                return str(self.bytes)
            times = rest[0] if rest else "1"
            self.rules.append(
                [fault, float("inf") if times == "always" else int(times), rest[1] if len(rest) > 1 else "any",
                 rest[2] if len(rest) > 2 else ""])
            return "ok"

    def find(self, method, path):
        with self.lock:
            self.count += 1
            for rule in self.rules:
                if rule[1] > 0 and rule[2] in ("any", method) and rule[3] in path:
                    rule[1] -= 1
                    return rule[0]
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def reset(self):
        # No orderly end: what is under way is lost.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def say(self, status, code):
        body = f"<Error><Code>{code}</Code><Message>by the proxy</Message></Error>".encode()
        self.answer(status, [("Content-Type", "application/xml")], b"" if self.command == "HEAD" else body)

    def answer(self, status, headers, body, length=None):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP and (name.lower() != "content-length" or self.command == "HEAD"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        with self.server.rules.lock:
            self.server.rules.bytes += len(body)
        self.wfile.write(body)

    def forward(self, body):
        connection = http.client.HTTPConnection(self.server.to, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP:
                connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        result = answer.status, answer.getheaders(), answer.read()
        connection.close()
        return result

    def handle_any(self):
        fault = self.server.rules.find(self.command, self.path)
        if fault == "refuse":
            return self.reset()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault == "stall":
            time.sleep(3600)
        if fault in ("delay", "linger"):
            time.sleep(0.5 if fault == "delay" else 5)
        if fault == "error":
            return self.say(500, "InternalError")
        if fault == "slow-down":
            return self.say(503, "SlowDown")
        if fault == "damage" and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1:]
        try:
            status, headers, content = self.forward(body)
            if fault == "twice":
                status, headers, content = self.forward(body)
        except OSError:
            return self.reset()
        if fault == "drop":
            return self.reset()
        if fault == "late-error":
            return self.say(500, "InternalError")
        if fault == "garble" and content:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]
        if fault == "stale":
            content = re.sub(rb"<Contents>(?:(?!<Contents>).)*</Contents>(?=(?:(?!<Contents>).)*$)", b"", content, flags=re.S)
        if fault == "cut":
            self.answer(status, headers, content[:len(content) // 2], len(content))
            return self.reset()
        self.answer(status, headers, content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", required=True)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", arguments.port), Handler)
    server.to = arguments.to
    server.rules = Rules()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    for line in sys.stdin:
        print(server.rules.add(line), flush=True)


if __name__ == "__main__":
    main()
