#!/usr/bin/env python3
"""A small S3 server in memory, for tests. It refuses what a real one refuses: signatures that are wrong, bodies that are not what
was signed, keys and buckets that are not there, conditions that do not hold.

usage: server.py [--port N] [--bucket NAME …] [--conditions yes|ignored|refused] [--skew SECONDS]
                 [--certificate FILE] [--elsewhere REGION] [--digests ignored]

Its address is the first line of its output. "age SECONDS" on its input makes everything older; it ends when its input does. The credentials are AKIATEST and "secret/+of=test";
`--conditions ignored` is a server that knows no conditional writes and does not say so, `refused` one that says so (501).
`--digests ignored` is one that takes other bytes than were signed, as SeaweedFS does, and `--elsewhere` one that sends everybody to another region.
"""
import argparse
import base64
import hashlib
import hmac
import itertools
import re
import ssl
import sys
import threading
import time
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

SECRETS = {"AKIATEST": "secret/+of=test"}
TOKENS = {"AKIATOKEN": ("secret-with-token", "the/token=")}
SMALLEST_PART = 5 << 20


class Refusal(Exception):
    def __init__(self, status, code, message="", **headers):
        self.status, self.code, self.message, self.headers = status, code, message, headers


class Object:
    def __init__(self, content, headers, etag=None):
        self.content = content
        self.etag = etag or hashlib.md5(content).hexdigest()
        self.headers = {k: v for k, v in headers.items() if k.lower().startswith("x-amz-meta-")}
        self.time = time.time()


class Upload:
    def __init__(self, key, headers):
        self.key, self.headers, self.parts = key, headers, {}


class State:
    def __init__(self, arguments):
        self.lock = threading.Lock()
        self.buckets = {name: {} for name in arguments.bucket}
        self.uploads = {name: {} for name in arguments.bucket}
        self.conditions = arguments.conditions
        self.skew = arguments.skew
        self.digests = arguments.digests
        self.elsewhere = arguments.elsewhere
        self.numbers = itertools.count(1)


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return formatdate((timestamp or time.time()) + self.server.state.skew, usegmt=True)

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            return self.close()
        try:
            if region := self.server.state.elsewhere:
                location = f"http://{self.headers['Host']}/followed"
                raise Refusal(301, "PermanentRedirect", **{"x-amz-bucket-region": region, "Location": location})
            path, _, query = self.path.partition("?")
            self.verify(path, query, body)
            # Empty values count: ?uploads=
            self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
            _, bucket, *key = urllib.parse.unquote(path).split("/", 2)
            with self.server.state.lock:
                if bucket not in self.server.state.buckets:
                    raise Refusal(404, "NoSuchBucket")
                self.objects = self.server.state.buckets[bucket]
                self.uploads = self.server.state.uploads[bucket]
                answer = self.answer(key[0] if key else "", body)
            self.send(*answer)
        except Refusal as refusal:
            text = f"<?xml version=\"1.0\"?>\n<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
            self.send(refusal.status, text.encode(), refusal.headers)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

    def close(self):
        self.close_connection = True

    def send(self, status, body=b"", headers={}):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def verify(self, path, query, body):
        given = self.headers.get("Authorization", "")
        match = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})", given)
        if not match:
            raise Refusal(403, "AccessDenied", "not signed")
        access, date, region, names, signature = match.groups()
        if access in TOKENS:
            secret, token = TOKENS[access]
            if self.headers.get("x-amz-security-token") != token:
                raise Refusal(403, "InvalidToken")
        elif access in SECRETS:
            secret = SECRETS[access]
        else:
            raise Refusal(403, "InvalidAccessKeyId")
        names = names.split(";")
        unsigned = [n for n in map(str.lower, self.headers) if n.startswith("x-amz-") and n not in names]
        if unsigned or "host" not in names or names != sorted(names):
            raise Refusal(403, "AccessDenied", f"not signed: {unsigned}")
        when = self.headers["x-amz-date"]
        seconds = time.mktime(time.strptime(when, "%Y%m%dT%H%M%SZ")) - time.timezone
        if abs(time.time() + self.server.state.skew - seconds) > 900:
            raise Refusal(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
        ordered = "&".join(sorted(query.split("&"))) if query else ""
        request = "\n".join(
            [self.command, path, ordered, "".join(f"{n}:{' '.join(self.headers[n].split())}\n" for n in names), ";".join(names),
             self.headers["x-amz-content-sha256"]])
        scope = f"{date}/{region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", when, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = ("AWS4" + secret).encode()
        for part in (date, region, "s3", "aws4_request"):
            key = sign(key, part)
        if not hmac.compare_digest(sign(key, text).hex(), signature):
            raise Refusal(403, "SignatureDoesNotMatch")
        if self.server.state.digests == "ignored":
            return
        if "Content-MD5" in self.headers and base64.b64encode(hashlib.md5(body).digest()).decode() != self.headers["Content-MD5"]:
            raise Refusal(400, "BadDigest")
        if hashlib.sha256(body).hexdigest() != self.headers["x-amz-content-sha256"]:
            raise Refusal(400, "XAmzContentSHA256Mismatch")

    def require_condition(self, key):
        conditions = [n for n in ("If-None-Match", "If-Match") if n in self.headers]
        if not conditions or self.server.state.conditions == "ignored":
            return
        if self.server.state.conditions == "refused":
            raise Refusal(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")
        found = self.objects.get(key)
        if "If-None-Match" in self.headers and found:
            raise Refusal(412, "PreconditionFailed")
        if "If-Match" in self.headers and (not found or self.headers["If-Match"].strip('"') != found.etag):
            raise Refusal(412, "PreconditionFailed")

    def answer(self, key, body):
        verb = self.command
        if not key:
            return self.list_uploads() if "uploads" in self.query else self.list_objects()
        if "uploadId" in self.query:
            number = self.query["uploadId"]
            upload = self.uploads.get(number)
            if not upload or upload.key != key:
                raise Refusal(404, "NoSuchUpload")
            if verb == "PUT":
                upload.parts[int(self.query["partNumber"])] = Object(body, {})
                return 200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}
            if verb == "DELETE":
                del self.uploads[number]
                return 204,
            return self.complete(number, upload, body)
        if verb == "POST" and "uploads" in self.query:
            number = f"upload/{next(self.server.state.numbers)}+="
            self.uploads[number] = Upload(key, dict(self.headers))
            return 200, f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>".encode()
        if verb == "PUT":
            self.require_condition(key)
            made = self.objects[key] = Object(body, dict(self.headers))
            return 200, b"", {"ETag": f'"{made.etag}"'}
        if verb == "DELETE":
            self.objects.pop(key, None)
            return 204,
        if key not in self.objects:
            raise Refusal(404, "NoSuchKey")
        return self.read(self.objects[key])

    def read(self, found):
        headers = {"ETag": f'"{found.etag}"', "Last-Modified": self.date_time_string(found.time), **found.headers}
        content, status = found.content, 200
        if match := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            first, last = int(match[1]), min(int(match[2]), len(content) - 1)
            if first >= len(content):
                raise Refusal(416, "InvalidRange")
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            content, status = content[first:last + 1], 206
        headers["Content-Length"] = str(len(content))
        return status, content, headers

    def complete(self, number, upload, body):
        parts = re.findall(r"<PartNumber>(\d+)</PartNumber><ETag>(?:&quot;|\")?([0-9a-f]+)", body.decode())
        if not parts:
            raise Refusal(400, "MalformedXML")
        made = []
        for index, (part, etag) in enumerate(parts):
            found = upload.parts.get(int(part))
            if not found or found.etag != etag:
                raise Refusal(400, "InvalidPart")
            if index + 1 < len(parts) and len(found.content) < SMALLEST_PART:
                raise Refusal(400, "EntityTooSmall")
            made.append(found)
        self.require_condition(upload.key)
        digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in made)).hexdigest()
        self.objects[upload.key] = Object(b"".join(part.content for part in made), upload.headers, f"{digest}-{len(made)}")
        del self.uploads[number]
        return 200, b"<CompleteMultipartUploadResult><ETag/></CompleteMultipartUploadResult>"

    def list_objects(self):
        prefix, after = self.query.get("prefix", ""), self.query.get("continuation-token", self.query.get("start-after", ""))
        most = min(int(self.query.get("max-keys", 1000)), 1000)
        keys = sorted(k for k in self.objects if k.startswith(prefix) and k > after)
        page = "".join(f"<Contents><Key>{urllib.parse.quote(key)}</Key></Contents>" for key in keys[:most])
        more = "false"
        if len(keys) > most:
            more = "true"
            page += f"<NextContinuationToken>{escape(keys[most - 1])}</NextContinuationToken>"
        return 200, (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{page}</ListBucketResult>").encode()

    def list_uploads(self):
        prefix = self.query.get("prefix", "")
        page = "".join(
            f"<Upload><Key>{urllib.parse.quote(u.key)}</Key><UploadId>{n}</UploadId></Upload>"
            for n, u in sorted(self.uploads.items()) if u.key.startswith(prefix))
        return 200, (
            "<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
            f"{page}</ListMultipartUploadsResult>").encode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bucket", action="append", default=[])
    parser.add_argument("--conditions", choices=("yes", "ignored", "refused"), default="yes")
    parser.add_argument("--skew", type=int, default=0)
    parser.add_argument("--certificate")
    parser.add_argument("--elsewhere")
    parser.add_argument("--digests", choices=("yes", "ignored"), default="yes")
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    server.daemon_threads = True
    server.state = State(arguments)
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"{'https' if arguments.certificate else 'http'}://127.0.0.1:{server.server_address[1]}", flush=True)
    for line in sys.stdin:
        # "age SECONDS": everything was written so much earlier.
        seconds = int(line.split()[1])
        with server.state.lock:
            for bucket in server.state.buckets.values():
                for found in bucket.values():
                    found.time -= seconds
        print("ok", flush=True)


if __name__ == "__main__":
    main()
