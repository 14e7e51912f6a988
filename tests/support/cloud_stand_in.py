"""A local stand-in for Cloud Storage and Dataflow: enough of both for the real client libraries and DataflowRunner."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c


class Cloud:
    """What was stored by name of bucket and object, and the bodies of the jobs that were created."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.objects: dict[str, bytes] = {}
        self.jobs: list[dict[str, Any]] = []
        self.unknown: list[str] = []

    def metadata(self, name: str) -> dict[str, Any]:
        bucket, _, path = name.partition("/")
        crc = base64.b64encode(google_crc32c.Checksum(self.objects[name]).digest()).decode()
        return {
            "kind": "storage#object", "id": name, "bucket": bucket, "name": path, "generation": "1",
            "metageneration": "1", "size": str(len(self.objects[name])), "crc32c": crc,
            "updated": "2026-01-01T00:00:00Z",
            "timeCreated": "2026-01-01T00:00:00Z", "storageClass": "STANDARD",
        }  # fmt: skip


@contextmanager
def running() -> Iterator[Cloud]:
    """The stand-in on a free port of loopback, until the block ends."""
    server = ThreadingHTTPServer(("localhost", 0), _Handler)
    server.daemon_threads = True
    server.cloud = cloud = Cloud(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _cloud(self) -> Cloud:
        return self.server.cloud

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: object, code: int = 200, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _no_such(self) -> None:
        self._answer({"error": {"code": 404, "message": "Not Found"}}, 404)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if found := re.fullmatch(r"(/download)?/storage/v1/b/([^/]+)/o/(.+)", url.path):
            name = f"{found[2]}/{unquote(found[3])}"
            if name not in self._cloud.objects:
                self._no_such()
            elif found[1] or parse_qs(url.query).get("alt") == ["media"]:
                self._answer(self._cloud.objects[name])
            else:
                self._answer(self._cloud.metadata(name))
        elif found := re.fullmatch(r"/storage/v1/b/([^/]+)/o", url.path):
            prefix = f"{found[1]}/{parse_qs(url.query).get('prefix', [''])[0]}"
            names = sorted(name for name in self._cloud.objects if name.startswith(prefix))
            self._answer({"kind": "storage#objects", "items": [self._cloud.metadata(name) for name in names]})
        elif found := re.fullmatch(r"/storage/v1/b/([^/]+)", url.path):
            self._answer({"kind": "storage#bucket", "id": found[1], "name": found[1], "location": "EU"})
        elif re.search(r"/jobs/[^/]+$", url.path):
            self._answer({"id": "job-1", "name": "n", "currentState": "JOB_STATE_DONE"})
        else:
            self._cloud.unknown.append(self.path)
            self._answer({})

    def do_POST(self) -> None:
        url, body = urlsplit(self.path), self._body()
        query = parse_qs(url.query)
        if found := re.fullmatch(r"/upload/storage/v1/b/([^/]+)/o", url.path):
            if query["uploadType"] == ["multipart"]:
                about, data = _parts(body, self.headers["Content-Type"])
                name = f"{found[1]}/{json.loads(about)['name']}"
                self._cloud.objects[name] = data
                self._answer(self._cloud.metadata(name))
            else:
                name = json.loads(body)["name"] if body else query["name"][0]
                place = f"http://localhost:{self._cloud.port}/resumable/{found[1]}/{name}"
                self._answer({}, Location=place)
        elif url.path.endswith("/jobs"):
            self._cloud.jobs.append(json.loads(body))
            self._answer({"id": "job-1", "name": self._cloud.jobs[-1]["name"], "currentState": "JOB_STATE_RUNNING"})
        else:
            self._cloud.unknown.append(self.path)
            self._answer({})

    def do_PUT(self) -> None:
        name = unquote(urlsplit(self.path).path.removeprefix("/resumable/"))
        begin, end, total = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers["Content-Range"]).groups()
        self._cloud.objects[name] = (b"" if begin in (None, "0") else self._cloud.objects[name]) + self._body()
        if total == "*" or (end is not None and int(end) + 1 < int(total)):
            self._answer({}, 308, Range=f"bytes=0-{len(self._cloud.objects[name]) - 1}")
        else:
            self._answer(self._cloud.metadata(name))

    def do_DELETE(self) -> None:
        found = re.fullmatch(r"/storage/v1/b/([^/]+)/o/(.+)", urlsplit(self.path).path)
        if found and self._cloud.objects.pop(f"{found[1]}/{unquote(found[2])}", None) is not None:
            self._answer(b"", 204)
        else:
            self._no_such()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


def _parts(body: bytes, kind: str) -> list[bytes]:
    """The two parts of a multipart body, byte for byte."""
    boundary = re.search(r'boundary="?([^";]+)', kind)[1].encode()
    parts = body.split(b"--" + boundary)[1:3]
    return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]
