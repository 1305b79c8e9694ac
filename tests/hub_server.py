"""A stand-in for the Hugging Face Hub on this machine, which can be told to misbehave."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = hashlib.sha1(b"the first commit").hexdigest()


class HubServer:
    """Serves repositories from memory: ``{"datasets/owner/name": {"path": content}}``, models without the prefix.

    Attributes:
        url: For ``HF_ENDPOINT``.
        commit: The newest commit, to which the branch ``main`` leads.
        branches: Other branches, and the commits they lead to.
        requests: Every request as ``METHOD path [Range]``.
        refuse: Status codes to answer with, one request each, before working.
        retry_after: What refusals tell to wait, in seconds.
        down_after: How many files are sent before every request is refused, if it ever is.
        gated: Whether files, but not what is known of them, are refused to whoever sends no token.
        bad_token: Whether the token sent is none that the Hub knows.
        page: Requests that a proxy answers with a page: a method and the begin of a path, such as ``GET api``.
        refuse_always: Status code for every request, if any.
        cut: How many downloads to break off half-way.
        stall: How many downloads to leave half-way, without another byte and without an end.
        elsewhere: Whether large files are sent by another host, which the Hub redirects to.
        xet: Whether large files are offered by Xet; the transfer itself is :meth:`transfer`.
        xet_fails: What a transfer by Xet fails with, one each, before working.
        served: Content to send instead of a file's own, by path.
        tokens: Authorization headers seen.
        tokens_elsewhere: Those that the other host has seen.
    """

    def __init__(self, repositories: Mapping[str, Mapping[str, bytes]]) -> None:
        self.repositories = repositories
        self.commit = COMMIT
        self.branches: dict[str, str] = {}
        self.retry_after = 0
        self.down_after: int | None = None
        self.gated = False
        self.bad_token = False
        self.page = ""
        self.xet = False
        self.xet_fails: list[str] = []
        self._past: dict[str, Mapping[str, Mapping[str, bytes]]] = {}
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
                name, rest = unquote(urlsplit(self.path).path).lstrip("/").split("/resolve/")
                hub.send_bytes(self, name, *rest.split("/", 1))

            do_HEAD = do_GET  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._other = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "HubServer":
        for server in (self._server, self._other):
            server.daemon_threads = True
            # It looks this often whether it is to end, and tests wait for that.
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        for server in (self._server, self._other):
            server.shutdown()
            server.server_close()

    def count(self, method: str) -> int:
        """How many requests of a method came for files."""
        return Counter(line.split()[0] for line in self.requests if "/resolve/" in line)[method]

    def move(self, repositories: Mapping[str, Mapping[str, bytes]]) -> None:
        """Let there be a newer commit; older ones are still there."""
        self._past[self.commit] = self.repositories
        self.repositories = repositories
        self.commit = hashlib.sha1(self.commit.encode()).hexdigest()

    def at(self, revision: str) -> tuple[str, Mapping[str, Mapping[str, bytes]]] | None:
        """The commit that a revision leads to, and what it holds."""
        commit = self.commit if revision in ("", "main") else self.branches.get(revision, revision)
        content = self.repositories if commit == self.commit else self._past.get(commit)
        return None if content is None else (commit, content)

    def transfer(self, *, incomplete_path: Path, xet_file_data: Any, **_: object) -> None:
        """In the place of ``huggingface_hub.file_download.xet_get``, which needs Xet's servers."""
        if self.xet_fails:
            # What has arrived until then is left behind.
            incomplete_path.write_bytes(b"par")
            raise RuntimeError(self.xet_fails.pop(0))
        contents = (content for files in self.repositories.values() for content in files.values())
        incomplete_path.write_bytes(next(each for each in contents if xet_hash(each) == xet_file_data.file_hash))

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path).lstrip("/")
        told = request.headers.get("Range", "")
        self.requests.append(f"{request.command} {path} {told}".strip())
        if token := request.headers.get("Authorization"):
            self.tokens.add(token)
        if self.down_after is not None and self.count("GET") > self.down_after:
            self._fail(request, 503)
        elif self.page and f"{request.command} {path}".startswith(self.page):
            self._answer(request, b"<!DOCTYPE html><p>Please log in", "text/html")
        elif self.bad_token and request.headers.get("Authorization"):
            self._fail(request, 401, message="Invalid credentials in Authorization header")
        elif self.gated and "/resolve/" in path and not request.headers.get("Authorization"):
            self._fail(request, 401, "GatedRepo")
        elif self.refuse_always or self.refuse:
            self._fail(request, self.refuse_always or self.refuse.pop(0))
        elif path.startswith("api/"):
            self._tell(request, path.removeprefix("api/"))
        elif "/resolve/" in path:
            self._send(request, *path.split("/resolve/"))
        else:
            self._fail(request, 404)

    def _fail(self, request: BaseHTTPRequestHandler, status: int, code: str = "", message: str = "") -> None:
        request.send_response(status)
        request.send_header("Retry-After", str(self.retry_after))
        if code:
            request.send_header("X-Error-Code", code)
        if message:
            request.send_header("X-Error-Message", message)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _tell(self, request: BaseHTTPRequestHandler, path: str) -> None:
        name, _, revision = path.partition("/revision/")
        name = name.removeprefix("models/")
        if name not in self.repositories:
            self._fail(request, 404, "RepoNotFound")
            return
        if not (found := self.at(revision)):
            self._fail(request, 404, "RevisionNotFound")
            return
        commit, repositories = found
        siblings = []
        for file, content in repositories[name].items():
            sha256 = hashlib.sha256(content).hexdigest()
            entry: dict[str, object] = {"rfilename": file, "size": len(content), "blobId": git_hash(content)}
            if is_large(file):
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 100}
            siblings.append(entry)
        body = json.dumps({"_id": "0", "id": name.removeprefix("datasets/"), "sha": commit, "siblings": siblings})
        self._answer(request, body.encode(), "application/json")

    def _answer(self, request: BaseHTTPRequestHandler, body: bytes, kind: str) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)

    def _send(self, request: BaseHTTPRequestHandler, name: str, rest: str) -> None:
        revision, _, file = rest.partition("/")
        found = self.at(revision)
        if not found or file not in found[1].get(name, {}):
            self._fail(request, 404, "EntryNotFound" if found else "RevisionNotFound")
            return
        commit, repositories = found
        if self.elsewhere and is_large(file):
            true = repositories[name][file]
            request.send_response(302)
            other = f"http://127.0.0.1:{self._other.server_address[1]}"
            request.send_header("Location", f"{other}/{name}/resolve/{commit}/{file}")
            request.send_header("X-Linked-Etag", f'"{hashlib.sha256(true).hexdigest()}"')
            request.send_header("X-Linked-Size", str(len(true)))
            request.send_header("X-Repo-Commit", commit)
            request.send_header("Content-Length", "0")
            request.end_headers()
        else:
            self.send_bytes(request, name, revision, file)

    def send_bytes(self, request: BaseHTTPRequestHandler, name: str, revision: str, file: str) -> None:
        found = self.at(revision)
        assert found
        commit, repositories = found
        true = repositories[name][file]
        content = self.served.get(file, true)
        begin = 0
        if told := request.headers.get("Range"):
            begin = int(told.removeprefix("bytes=").split("-")[0])
        request.send_response(206 if begin else 200)
        etag = hashlib.sha256(true).hexdigest() if is_large(file) else git_hash(true)
        request.send_header("ETag", f'"{etag}"')
        request.send_header("X-Repo-Commit", commit)
        if self.xet and is_large(file):
            request.send_header("X-Xet-Hash", xet_hash(true))
            request.send_header("Link", f'<{self.url}/api/models/{name}/xet-read-token/{commit}>; rel="xet-auth"')
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


def xet_hash(content: bytes) -> str:
    """A name that Xet might give a content; no SHA-256 of it."""
    return hashlib.sha256(b"xet" + content).hexdigest()


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def share_blobs(cache: Path) -> list[Path]:
    """Lay out a cache's large files as after a transfer by Xet: in one store, under names that are no SHA-256."""
    stored = []
    for blob in [path for path in cache.glob("*--*/blobs/*") if len(path.name) == 64 and not path.is_symlink()]:
        name = xet_hash(blob.read_bytes())
        store = cache / "blobs" / name[:2] / name
        store.parent.mkdir(parents=True, exist_ok=True)
        blob.replace(store)
        blob.symlink_to(Path("../../blobs") / name[:2] / name)
        stored.append(store)
    return stored
