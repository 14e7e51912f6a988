"""Two object stores on loopback, for tests: moto's S3 and gcp-storage-emulator, both able to fail on demand."""

import io
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import pytest
from apache_beam.internal.gcp import auth
from apache_beam.io.filesystems import FileSystems
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dicebeam.components.storage import filesystems
from dicebeam.pipeline.runner import options

try:
    import boto3
    from gcp_storage_emulator.exceptions import NotFound
    from gcp_storage_emulator.handlers import buckets
    from gcp_storage_emulator.server import RequestHandler
    from gcp_storage_emulator.storage import Storage
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server
except ImportError as error:
    pytest.skip(f"needs boto3, moto[server] and gcp-storage-emulator: {error}", allow_module_level=True)

BUCKET = "bucket"
KINDS = ["s3", "gs"]


@dataclass
class Faults:
    """Which requests are answered with 503: so many of those that the rule takes, by method and address."""

    rule: Callable[[str, str], bool] = lambda _method, _address: False
    left: float = 0
    seen: list[tuple[str, str]] = field(default_factory=list)
    hits: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def takes(self, method: str, address: str) -> bool:
        with self._lock:
            self.seen.append((method, address))
            hit = self.left > 0 and self.rule(method, address)
            self.left, self.hits = self.left - hit, self.hits + hit
            return hit

    @contextmanager
    def answering(self, rule: Callable[[str, str], bool], times: float = float("inf")) -> Iterator[None]:
        self.rule, self.left, self.hits = rule, times, 0
        try:
            yield
        finally:
            self.left = 0


@dataclass
class Store:
    """A bucket: where it is, what Beam must be told, what a process's environment must have, and what is in it."""

    kind: str
    root: str
    flags: list[str]
    environment: dict[str, str]
    faults: Faults
    names: Callable[[], list[str]]
    data: Callable[[str], bytes]
    write: Callable[[str, bytes], None]
    unfinished: Callable[[], list[str]]

    def use(self) -> None:
        """Make this process's filesystems know it, as a plan does."""
        filesystems.use_options(options.pipeline_options(self.flags))

    def upload(self, folder: Path, below: str) -> str:
        """Copy a local folder there, by the store's own client."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.write(f"{below}/{path.relative_to(folder)}", path.read_bytes())
        return f"{self.root}/{below}"


def uploads(method: str, _address: str) -> bool:
    """The requests that make objects, copies included."""
    return method in ("PUT", "POST")


@contextmanager
def served(server: Any) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass


@contextmanager
def s3() -> Iterator[Store]:
    """Moto's server, in threads of this process."""
    inner, faults, one_by_one = DomainDispatcherApplication(create_backend_app), Faults(), threading.Lock()

    def application(environ: dict[str, Any], start: Any) -> Any:
        if faults.takes(environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("503 Slow Down", [("Content-Type", "application/xml")])
            return [b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"]
        with one_by_one if "HTTP_IF_NONE_MATCH" in environ else nullcontext():  # moto looks, and writes later
            return inner(environ, start)

    with served(make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Silent)) as port:
        where = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
        given = {**where, "access_key_id": "none", "secret_access_key": "none"}
        client = boto3.client("s3", **where, aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106
        client.create_bucket(Bucket=BUCKET)
        pages = client.get_paginator("list_objects_v2")

        def names() -> list[str]:
            return [each["Key"] for page in pages.paginate(Bucket=BUCKET) for each in page.get("Contents", [])]

        for name in names():  # moto keeps what is in it as long as the process lives
            client.delete_object(Bucket=BUCKET, Key=name)
        yield Store(
            "s3",
            f"s3://{BUCKET}",
            [f"--s3_{name}={value}" for name, value in given.items()],
            {"AWS_MAX_ATTEMPTS": "3"},
            faults,
            names,
            lambda name: client.get_object(Bucket=BUCKET, Key=name)["Body"].read(),
            lambda name, data: client.put_object(Bucket=BUCKET, Key=name, Body=data),
            lambda: [each["Key"] for each in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])],
        )


class _Handler(RequestHandler):
    """The emulator's, which gives tokens as well, and fails on demand."""

    def __init__(self, faults: Faults, storage: Storage, *args: Any) -> None:
        self._faults, self._held = faults, storage
        super().__init__(storage, *args)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _serve(self, handle: Callable[[], None]) -> None:
        if self.path == "/token":
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(200, b'{"access_token": "none", "expires_in": 3600, "token_type": "Bearer"}')
        elif self._faults.takes(self.command, self.path):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(503, b'{"error": {"code": 503, "message": "We encountered an internal error."}}')
        elif self._is_there_already():
            self._answer(412, b'{"error": {"code": 412, "message": "conditionNotMet"}}')
        else:
            handle()

    def _is_there_already(self) -> bool:
        """Whether an upload wants to be the first of its name and is not, which the emulator does not look at."""
        if self.command != "POST" or "ifGenerationMatch=0" not in self.path:
            return False
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.rfile = io.BufferedReader(io.BytesIO(body))  # type: ignore[arg-type]
        (name,) = re.findall(rb'"name": "([^"]*)"', body)
        try:
            self._held.get_file_obj(BUCKET, json.loads(b'"' + name + b'"'))
        except NotFound:
            return False
        return True

    def do_GET(self) -> None:  # noqa: N802
        self._serve(super().do_GET)

    def do_POST(self) -> None:  # noqa: N802
        self._serve(super().do_POST)

    def do_PUT(self) -> None:  # noqa: N802
        self._serve(super().do_PUT)

    def do_DELETE(self) -> None:  # noqa: N802
        self._serve(super().do_DELETE)


def _service_account(path: Path, port: int) -> str:
    """Credentials of a key made for this test, whose tokens the emulator gives."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "test",
        "private_key_id": "1",
        "private_key": key.private_bytes(*form).decode(),
        "client_email": "test@test.invalid",
        "client_id": "1",
        "token_uri": f"http://127.0.0.1:{port}/token",
    }
    path.write_text(json.dumps(account))
    return str(path)


@contextmanager
def gs(folder: Path) -> Iterator[Store]:
    """gcp-storage-emulator, in a thread of this process."""
    held, faults = Storage(use_memory_fs=True), Faults()
    buckets.create_bucket(BUCKET, held)
    with served(HTTPServer(("127.0.0.1", 0), partial(_Handler, faults, held))) as port:
        url = f"http://127.0.0.1:{port}"
        account = _service_account(folder / "account.json", port)
        own = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": url})  # type: ignore[no-untyped-call]
        bucket = own.bucket(BUCKET)
        yield Store(
            "gs",
            f"gs://{BUCKET}",
            [],
            {"STORAGE_EMULATOR_HOST": url, "GOOGLE_APPLICATION_CREDENTIALS": account},
            faults,
            lambda: [blob.name for blob in bucket.list_blobs()],
            lambda name: bucket.blob(name).download_as_bytes(),
            lambda name, data: bucket.blob(name).upload_from_string(data),
            list,
        )


@contextmanager
def made(kind: str, folder: Path) -> Iterator[Store]:
    """A store that this process can use; what is known of stores is as before afterwards."""
    with pytest.MonkeyPatch.context() as patch, s3() if kind == "s3" else gs(folder) as store:
        for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "STORAGE_"))]:
            patch.delenv(name)
        for name, value in store.environment.items():
            patch.setenv(name, value)
        patch.setattr(auth._Credentials, "_credentials_init", False)
        patch.setattr(auth._Credentials, "_credentials", None)
        patch.setattr(FileSystems, "_pipeline_options", None)
        store.use()
        yield store
