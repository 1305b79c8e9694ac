"""A stand-in for the Hugging Face Hub on this machine, which can be told to misbehave."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote, urlsplit

COMMIT = hashlib.sha1(b"the only commit").hexdigest()


class HubServer:
    """Serves repositories from memory: ``{"datasets/owner/name": {"path": content}}``, models without the prefix.

    Attributes:
        url: For ``HF_ENDPOINT``.
        requests: Every request as ``METHOD path [Range]``.
        refuse: Status codes to answer with, one request each, before working.
        refuse_always: Status code for every request, if any.
        cut: How many downloads to break off half-way.
        stall: How many downloads to leave half-way, without another byte and without an end.
        elsewhere: Whether large files are sent by another host, which the Hub redirects to.
        served: Content to send instead of a file's own, by path.
        tokens: Authorization headers seen.
        tokens_elsewhere: Those that the other host has seen.
    """

    def __init__(self, repositories: Mapping[str, Mapping[str, bytes]]) -> None:
        self.repositories = repositories
        self.requests: list[str] = []
        self.refuse: list[int] = []
        self.refuse_always: int | None = None
        self.cut = 0
        self.stall = 0
        self.elsewhere = False
        self.served: dict[str, bytes] = {}
        self.tokens: set[str] = set()
        self.tokens_elsewhere: set[str] = set()
        self._over = threading.Event()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *arguments: object) -> None:
                pass

            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET  # noqa: N815

        class Elsewhere(Handler):
            def do_GET(self) -> None:
                if token := self.headers.get("Authorization"):
                    hub.tokens_elsewhere.add(token)
                name, file = unquote(urlsplit(self.path).path).lstrip("/").split("/resolve/")
                hub.send_bytes(self, name, file)

            do_HEAD = do_GET  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._other = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "HubServer":
        for server in (self._server, self._other):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        for server in (self._server, self._other):
            server.shutdown()
            server.server_close()

    def count(self, method: str) -> int:
        """How many requests of a method came for files."""
        return Counter(line.split()[0] for line in self.requests if "/resolve/" in line)[method]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path).lstrip("/")
        told = request.headers.get("Range", "")
        self.requests.append(f"{request.command} {path} {told}".strip())
        if token := request.headers.get("Authorization"):
            self.tokens.add(token)
        if self.refuse_always or self.refuse:
            self._fail(request, self.refuse_always or self.refuse.pop(0))
        elif path.startswith("api/"):
            self._tell(request, path.removeprefix("api/"))
        elif "/resolve/" in path:
            self._send(request, *path.split("/resolve/"))
        else:
            self._fail(request, 404)

    def _fail(self, request: BaseHTTPRequestHandler, status: int, code: str = "") -> None:
        request.send_response(status)
        request.send_header("Retry-After", "0")
        if code:
            request.send_header("X-Error-Code", code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _tell(self, request: BaseHTTPRequestHandler, path: str) -> None:
        name, _, revision = path.partition("/revision/")
        name = name.removeprefix("models/")
        if name not in self.repositories:
            self._fail(request, 404, "RepoNotFound")
            return
        if revision not in ("", "main", COMMIT):
            self._fail(request, 404, "RevisionNotFound")
            return
        siblings = []
        for file, content in self.repositories[name].items():
            sha256 = hashlib.sha256(content).hexdigest()
            entry: dict[str, object] = {"rfilename": file, "size": len(content), "blobId": git_hash(content)}
            if is_large(file):
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 100}
            siblings.append(entry)
        body = json.dumps({"_id": "0", "id": name.removeprefix("datasets/"), "sha": COMMIT, "siblings": siblings})
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body.encode())

    def _send(self, request: BaseHTTPRequestHandler, name: str, rest: str) -> None:
        file = rest.partition("/")[2]
        if file not in self.repositories.get(name, {}):
            self._fail(request, 404, "EntryNotFound")
            return
        if self.elsewhere and is_large(file):
            true = self.repositories[name][file]
            request.send_response(302)
            request.send_header("Location", f"http://127.0.0.1:{self._other.server_address[1]}/{name}/resolve/{file}")
            request.send_header("X-Linked-Etag", f'"{hashlib.sha256(true).hexdigest()}"')
            request.send_header("X-Linked-Size", str(len(true)))
            request.send_header("X-Repo-Commit", COMMIT)
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            self.send_bytes(request, name, file)

    def send_bytes(self, request: BaseHTTPRequestHandler, name: str, file: str) -> None:
        true = self.repositories[name][file]
        content = self.served.get(file, true)
        begin = 0
        if told := request.headers.get("Range"):
            begin = int(told.removeprefix("bytes=").split("-")[0])
        request.send_response(206 if begin else 200)
        etag = hashlib.sha256(true).hexdigest() if is_large(file) else git_hash(true)
        request.send_header("ETag", f'"{etag}"')
        request.send_header("X-Repo-Commit", COMMIT)
        request.send_header("Accept-Ranges", "bytes")
        request.send_header("Content-Length", str(len(content) - begin))
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        request.end_headers()
        if request.command == "HEAD":
            return
        if self.stall:
            self.stall -= 1
            request.wfile.write(content[begin : begin + (len(content) - begin) // 2])
            request.wfile.flush()
            self._over.wait()
            request.close_connection = True
            return
        if self.cut:
            self.cut -= 1
            request.wfile.write(content[begin : begin + (len(content) - begin) // 2])
            request.wfile.flush()
            request.connection.close()
            request.close_connection = True
            return
        request.wfile.write(content[begin:])


def is_large(file: str) -> bool:
    """Whether the Hub would keep a file apart from git."""
    return file.endswith((".safetensors", ".parquet", ".bin"))


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def share_blobs(cache: Path) -> list[Path]:
    """Lay out a cache's large files as after a transfer by Xet: in one store, under names that are no SHA-256."""
    stored = []
    for blob in [path for path in cache.glob("*--*/blobs/*") if len(path.name) == 64 and not path.is_symlink()]:
        name = hashlib.sha256(b"xet" + blob.read_bytes()).hexdigest()
        store = cache / "blobs" / name[:2] / name
        store.parent.mkdir(parents=True, exist_ok=True)
        blob.replace(store)
        blob.symlink_to(Path("../../blobs") / name[:2] / name)
        stored.append(store)
    return stored
