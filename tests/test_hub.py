"""Downloads from the Hub: one commit, checked, resumed, and every failure explained."""

import errno
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hub_server import COMMIT, HubServer, share_blobs, xet_hash
from huggingface_hub import constants, file_download
from huggingface_hub.utils import _http, close_session
from tenacity import wait_none

from remerge.downloads import hub
from remerge.downloads.hub import DownloadError, WrongContentError, fetch
from remerge.downloads.records import missing, record, recorded
from remerge.plan.downloads import next_attempt

WEIGHTS = bytes(range(256)) * 5000
REPOSITORIES = {
    "owner/clip": {"model.safetensors": WEIGHTS, "config.json": b"{}", "README.md": b"# clip"},
    "datasets/owner/images": {
        "data/train-00000-of-00002.parquet": b"one",
        "data/train-00001-of-00002.parquet": b"two",
        "data/test-00000-of-00001.parquet": b"three",
    },
    "owner/old": {"pytorch_model.bin": b"pickled", "config.json": b"{}"},
    "owner/climber": {"../../outside.safetensors": b"x"},
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub, an empty cache, and no waiting."""
    with HubServer(REPOSITORIES) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(hub, "WAIT", wait_none())
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)
        yield running
    close_session()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_come_with_their_commit_and_hashes(server: HubServer) -> None:
    files = fetch("owner/clip", ["*.safetensors", "config.json"])
    assert files.revision == COMMIT
    assert set(files.paths) == {"model.safetensors", "config.json"}
    assert files.paths["model.safetensors"].read_bytes() == WEIGHTS
    assert files.sha256["model.safetensors"] == hashlib.sha256(WEIGHTS).hexdigest()
    downloads = server.count("GET")
    assert fetch("owner/clip", ["*.safetensors", "config.json"], revision="main") == files
    assert server.count("GET") == downloads == 2


def test_a_data_sets_parts_are_chosen_by_pattern(server: HubServer) -> None:
    files = fetch("owner/images", ["data/train-*.parquet"], kind="dataset", revision=COMMIT)
    assert [path.read_bytes() for path in files.paths.values()] == [b"one", b"two"]


def test_a_cut_connection_is_resumed_where_it_broke(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    server.cut = 1
    assert fetch("owner/clip", ["model.safetensors"]).paths["model.safetensors"].read_bytes() == WEIGHTS
    assert f"bytes={len(WEIGHTS) // 2}-" in server.requests[-1]


def test_a_wrong_hash_is_refused_and_the_cache_left_alone(server: HubServer, tmp_path: Path) -> None:
    server.served["model.safetensors"] = b"\1" + WEIGHTS[1:]
    with pytest.raises(DownloadError, match=r"owner/clip/model\.safetensors: .* has the hash .* Remove that") as caught:
        fetch("owner/clip", ["model.safetensors"])
    assert not caught.value.permanent
    left = contents(tmp_path / "cache")
    server.served.clear()
    files = fetch("owner/clip", ["model.safetensors"])
    assert files.paths["model.safetensors"].read_bytes() == WEIGHTS
    assert contents(tmp_path / "cache").items() >= left.items()
    before = len(server.requests)
    assert fetch("owner/clip", ["model.safetensors"], revision=COMMIT).sha256 == files.sha256
    assert len(server.requests) == before


def test_a_file_damaged_in_the_cache_is_never_used(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    record(path, "owner/clip", ["model.safetensors"], kind="model", revision=None)
    (stored,) = share_blobs(tmp_path / "cache")
    stored.write_bytes(b"\1" + WEIGHTS[1:])
    left = contents(tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match=f"{stored} has the hash"):
        recorded(path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert recorded(path).paths["model.safetensors"].read_bytes() == WEIGHTS
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert recorded(path).paths["model.safetensors"].read_bytes() == WEIGHTS
    assert contents(tmp_path / "cache") == left


@pytest.mark.parametrize("offline", [False, True])
def test_files_in_the_shared_store_serve_several_readers_without_network(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    path = tmp_path / "record.json"
    record(path, "owner/clip", ["model.safetensors"], kind="model", revision=None)
    assert share_blobs(tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    before, left = len(server.requests), contents(tmp_path / "cache")
    with ThreadPoolExecutor(2) as readers:
        files = list(readers.map(recorded, [path] * 4))
    assert [read.paths["model.safetensors"].read_bytes() for read in files] == [WEIGHTS] * 4
    assert fetch("owner/clip", ["model.safetensors"], revision=COMMIT) == files[0]
    assert len(server.requests) == before
    assert contents(tmp_path / "cache") == left


def test_the_first_alternative_that_is_there_is_taken(server: HubServer) -> None:
    either = "model.safetensors|pytorch_model.bin"
    assert list(fetch("owner/old", [either, "config.json"]).paths) == ["pytorch_model.bin", "config.json"]
    assert list(fetch("owner/clip", [either]).paths) == ["model.safetensors"]
    with pytest.raises(DownloadError, match=r"has no file 'tf_model\.h5' or '\*\.msgpack'; there are: pytorch_model"):
        fetch("owner/old", ["tf_model.h5|*.msgpack"])


def test_a_cached_alternative_does_not_stand_for_the_preferred_one(server: HubServer) -> None:
    fetch("owner/clip", ["config.json"], revision=COMMIT)
    files = fetch("owner/clip", ["model.safetensors|config.json"], revision=COMMIT)
    assert list(files.paths) == ["model.safetensors"]


def test_a_file_sent_by_another_host_is_checked_and_the_token_kept_from_it(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.elsewhere = True
    assert fetch("owner/clip", ["model.safetensors"]).paths["model.safetensors"].read_bytes() == WEIGHTS
    assert server.tokens == {"Bearer hf_secret"}
    assert not server.tokens_elsewhere
    server.served["data/test-00000-of-00001.parquet"] = b"eerht"
    with pytest.raises(DownloadError, match="has the hash"):
        fetch("owner/images", ["data/test-*"], kind="dataset")


@pytest.mark.parametrize("said", ["error sending request: connection refused", "HTTP status server error (503)"])
def test_failures_of_the_transfer_library_are_retried_and_explained(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    failures = 2
    true = hub.hf_hub_download

    def fail(*given: Any, **named: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise RuntimeError(said)
        return true(*given, **named)

    monkeypatch.setattr(hub, "hf_hub_download", fail)
    assert fetch("owner/clip", ["model.safetensors"]).paths["model.safetensors"].read_bytes() == WEIGHTS
    failures = hub.ATTEMPTS
    with pytest.raises(DownloadError, match="HF_HUB_DISABLE_XET=1") as caught:
        fetch("owner/clip", ["model.safetensors"])
    assert said in str(caught.value)
    assert not caught.value.permanent
    assert failures == 0


def test_a_stalled_download_is_resumed(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    server.stall = 1
    assert fetch("owner/clip", ["model.safetensors"]).paths["model.safetensors"].read_bytes() == WEIGHTS
    assert server.stall == 0


def test_a_download_that_always_stalls_ends(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    server.stall = 1000
    with pytest.raises(DownloadError, match="HF_HUB_DOWNLOAD_TIMEOUT") as caught:
        fetch("owner/clip", ["model.safetensors"])
    assert not caught.value.permanent


def test_a_busy_server_is_asked_again(server: HubServer) -> None:
    server.refuse = [429, 503, 429]
    assert fetch("owner/clip", ["config.json"]).revision == COMMIT
    assert server.refuse == []


@pytest.mark.parametrize(
    ("status", "permanent", "told"),
    [
        (429, False, "slow down"),
        (503, False, "cannot be read, after"),
        (401, True, "set HF_TOKEN"),
        (403, True, "accept its terms"),
        (404, True, "does not exist, or is private|not there"),
    ],
)
def test_refusals_are_explained(server: HubServer, status: int, permanent: bool, told: str) -> None:
    server.refuse_always = status
    with pytest.raises(DownloadError, match=told) as caught:
        fetch("owner/clip", ["config.json"])
    assert caught.value.permanent is permanent
    assert "owner/clip" in str(caught.value)


def test_what_is_not_there_is_named(server: HubServer) -> None:
    with pytest.raises(DownloadError, match=r"has no file 'pytorch\.bin'; there are: model\.safetensors, config\.json"):
        fetch("owner/clip", ["pytorch.bin"])
    with pytest.raises(DownloadError, match="does not exist, or is private"):
        fetch("owner/nothing", ["config.json"])
    with pytest.raises(DownloadError, match="no branch, tag or commit 'v9'"):
        fetch("owner/clip", ["config.json"], revision="v9")


def test_names_that_lead_out_of_the_repository_are_refused(server: HubServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="outside the repository"):
        fetch("owner/climber", ["*.safetensors"])
    assert server.count("GET") == 0
    assert not list(tmp_path.rglob("outside*"))


def test_a_token_is_sent_and_never_told(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.refuse_always = 403
    with pytest.raises(DownloadError) as caught:
        fetch("owner/clip", ["config.json"])
    assert server.tokens == {"Bearer hf_secret"}
    assert "hf_secret" not in str(caught.value)


def test_offline_the_cache_serves_and_what_it_lacks_is_named(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = fetch("owner/clip", ["model.safetensors"])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    before = len(server.requests)
    offline = fetch("owner/clip", ["model.safetensors"], revision=COMMIT)
    assert (offline.sha256, offline.revision) == (online.sha256, online.revision)
    for repository, pattern in (("owner/clip", "config.json"), ("owner/images", "data/*")):
        with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
            fetch(repository, [pattern])
    assert len(server.requests) == before


def test_offline_without_a_revision_the_only_commit_is_taken(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = fetch("owner/clip", ["model.safetensors"])
    assert not list((tmp_path / "cache").glob("*/refs/main"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch("owner/clip", ["model.safetensors"]) == online
    (tmp_path / "cache/models--owner--clip/snapshots" / ("f" * 40)).mkdir()
    with pytest.raises(DownloadError, match=f"several commits.*{COMMIT}.*`revision`"):
        fetch("owner/clip", ["model.safetensors"])


def test_no_network_is_explained(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="Check the network") as caught:
        fetch("owner/clip", ["config.json"])
    assert not caught.value.permanent


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("Data processing error: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_told_as_one(server: HubServer, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    attempts = 0

    def full(*given: object, **named: object) -> str:
        nonlocal attempts
        attempts += 1
        raise error

    monkeypatch.setattr(hub, "hf_hub_download", full)
    with pytest.raises(DownloadError, match=r"the disk of the cache, .*cache, is full, or your quota"):
        fetch("owner/clip", ["config.json"])
    assert attempts == 1


def test_a_cache_that_may_only_be_read_is_used_and_what_it_lacks_kept_elsewhere(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch("owner/clip", ["config.json"])
    left, true = contents(tmp_path / "cache"), os.makedirs

    def closed(path: Any, *given: Any, **named: Any) -> None:
        if Path(path).is_relative_to(tmp_path / "cache"):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        true(path, *given, **named)

    # Permissions would not stop a test that is run by root.
    monkeypatch.setattr(os, "makedirs", closed)
    path = tmp_path / "record.json"
    record(path, "owner/clip", ["config.json", "model.safetensors"], kind="model", revision=None)
    assert "model.safetensors goes to .snakemake/remerge/hub" in capsys.readouterr().err
    downloads = server.count("GET")
    for offline in (False, True):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        paths = recorded(path).paths
        assert paths["config.json"].is_relative_to(tmp_path / "cache")
        assert paths["model.safetensors"].read_bytes() == WEIGHTS
    assert server.count("GET") == downloads == 2
    assert contents(tmp_path / "cache") == left


def test_where_nothing_can_be_written_the_remedy_is_named(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*given: Any, **named: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "makedirs", closed)
    with pytest.raises(DownloadError, match=r"neither the cache .* is open to us .* HF_HUB_CACHE"):
        fetch("owner/clip", ["config.json"])


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("GET api", "answers with a page instead of data"),
        ("HEAD owner", "missing the 'X-Repo-Commit' header"),
        ("GET owner", r"Consistency check failed[\s\S]*firewall or proxy"),
    ],
)
def test_a_proxys_page_is_never_taken_for_a_file(server: HubServer, tmp_path: Path, page: str, told: str) -> None:
    server.page = page
    with pytest.raises(DownloadError, match=told) as caught:
        fetch("owner/clip", ["model.safetensors"])
    assert not caught.value.permanent
    assert not any(b"<!DOCTYPE" in content for content in contents(tmp_path).values())
    server.page = ""
    assert fetch("owner/clip", ["model.safetensors"]).paths["model.safetensors"].read_bytes() == WEIGHTS


def test_a_gated_repository_wants_a_token(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.gated = True
    with pytest.raises(DownloadError, match=r"accept its terms at .*owner/clip and set HF_TOKEN") as caught:
        fetch("owner/clip", ["config.json"])
    assert caught.value.permanent
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert fetch("owner/clip", ["config.json"]).revision == COMMIT


def test_a_token_that_has_expired_is_named_as_the_cause(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.bad_token = True
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(DownloadError, match="does not know the token that is set") as caught:
        fetch("owner/clip", ["config.json"])
    assert not caught.value.permanent
    assert "hf_secret" not in str(caught.value)


def test_a_hub_that_goes_down_half_way_is_gone_on_with(server: HubServer, tmp_path: Path) -> None:
    names = [f"data/train-{part:05}-of-00014.parquet" for part in range(14)]
    server.repositories = {"datasets/owner/many": {name: name.encode() for name in names}}
    server.down_after = 6
    path = tmp_path / "record.json"
    with pytest.raises(DownloadError, match="cannot be read, after"):
        record(path, "owner/many", ["data/train-*"], kind="dataset", revision=None, may_be_missing=True)
    assert not path.exists()
    server.down_after = None
    record(path, "owner/many", ["data/train-*"], kind="dataset", revision=None, may_be_missing=True)
    assert [file.read_bytes().decode() for file in recorded(path).paths.values()] == names
    asked = Counter(server.requests)
    assert {asked[f"GET datasets/owner/many/resolve/{COMMIT}/{name}"] for name in names[:6]} == {1}


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(_http.time, "sleep", waits.append)
    server.refuse, server.retry_after = [status], 45
    assert fetch("owner/clip", ["config.json"]).revision == COMMIT
    assert max(waits) == 45
    server.refuse, server.retry_after = [status], 10**6
    fetch("owner/clip", ["README.md"])
    assert max(waits) == hub.LONGEST_WAIT


def test_files_are_of_one_commit_though_the_branch_moves_on(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    true = hub.hf_hub_download
    newer = {"owner/clip": {"model.safetensors": b"newer", "config.json": b"newer"}}

    def move(*given: Any, **named: Any) -> Any:
        path = true(*given, **named)
        if server.commit == COMMIT:
            server.move(newer)
        return path

    monkeypatch.setattr(hub, "hf_hub_download", move)
    files = fetch("owner/clip", ["config.json", "model.safetensors"])
    assert files.revision == COMMIT
    assert files.paths["model.safetensors"].read_bytes() == WEIGHTS
    files = fetch("owner/clip", ["config.json", "model.safetensors"], revision="main")
    assert files.revision == server.commit != COMMIT
    assert {path.read_bytes() for path in files.paths.values()} == {b"newer"}


def test_xets_transfers_are_tried_again_and_lie_in_the_librarys_shared_store(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_download, "xet_get", server.transfer)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    server.xet = True
    server.xet_fails = ["Network error: connection refused"] * hub.ATTEMPTS
    with pytest.raises(DownloadError, match=r"hf_xet says: Network error.*HF_HUB_DISABLE_XET=1"):
        fetch("owner/clip", ["model.safetensors"])
    assert not any(content == b"par" for content in contents(tmp_path).values())
    server.xet_fails = ["HTTP status server error (503)"]
    path = tmp_path / "record.json"
    record(path, "owner/clip", ["model.safetensors"], kind="model", revision=None)
    stored = tmp_path / "cache/blobs" / xet_hash(WEIGHTS)[:2] / xet_hash(WEIGHTS)
    assert recorded(path).paths["model.safetensors"].resolve() == stored
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch("owner/clip", ["model.safetensors"]).sha256 == recorded(path).sha256


def test_readers_at_once_all_get_the_right_file_though_the_cache_has_a_wrong_one(
    server: HubServer, tmp_path: Path
) -> None:
    path = tmp_path / "record.json"
    with ThreadPoolExecutor(4) as readers:
        list(readers.map(lambda _: record(path, "owner/clip", ["*.json"], kind="model", revision=None), range(4)))
    record(path, "owner/clip", ["model.safetensors"], kind="model", revision=None)
    (stored,) = share_blobs(tmp_path / "cache")
    stored.write_bytes(b"\1" + WEIGHTS[1:])
    with ThreadPoolExecutor(4) as readers:
        files = list(readers.map(recorded, [path] * 4))
    assert [read.paths["model.safetensors"].read_bytes() for read in files] == [WEIGHTS] * 4
    assert stored.read_bytes() == b"\1" + WEIGHTS[1:]


def test_a_pin_is_taken_whatever_the_newest_is(server: HubServer, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    pin = {"commit": COMMIT, "files": {"model.safetensors": hashlib.sha256(WEIGHTS).hexdigest()}}
    server.move({"owner/clip": {"model.safetensors": b"newer"}})
    record(path, "owner/clip", ["model.safetensors"], kind="model", revision="main", pin=pin)
    told = json.loads(path.read_text())
    assert (told["asked"], told["revision"], told["files"]) == ("main", *pin.values())
    before = len(server.requests)
    record(path, "owner/clip", ["model.safetensors"], kind="model", revision="main", pin=pin)
    assert len(server.requests) == before


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_is_not_the_pins_is_refused_with_both_hashes(server: HubServer, tmp_path: Path, name: str) -> None:
    pin = {"commit": COMMIT, "files": {name: "5" * 64}}
    with pytest.raises(WrongContentError) as caught:
        record(tmp_path / "record.json", "owner/clip", [name], kind="model", revision=None, pin=pin)
    told = str(caught.value)
    assert f"owner/clip/{name}" in told
    assert hashlib.sha256(REPOSITORIES["owner/clip"][name]).hexdigest() in told
    assert "5" * 64 in told
    assert "`downloads`" in told
    assert not (tmp_path / "record.json").exists()


def test_what_a_pin_lists_and_is_gone_is_no_missing_task(server: HubServer, tmp_path: Path) -> None:
    pin: dict[str, Any] = {"commit": COMMIT, "files": {"gone.parquet": "5" * 64}}
    with pytest.raises(DownloadError, match=r"has no file 'gone\.parquet'"):
        record(tmp_path / "a.json", "owner/images", ["*"], kind="dataset", revision=None, pin=pin, may_be_missing=True)
    before = len(server.requests)
    pin = {"missing": "it was not there"}
    record(tmp_path / "b.json", "owner/images", ["*"], kind="dataset", revision=None, pin=pin, may_be_missing=True)
    assert missing(tmp_path / "b.json") == "it was not there"
    assert len(server.requests) == before


def test_a_record_tells_which_files_and_finds_them_again(server: HubServer, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    record(path, "owner/images", ["data/test-*"], kind="dataset", revision=None)
    told = json.loads(path.read_text())
    assert told["revision"] == COMMIT
    assert told["files"] == {"data/test-00000-of-00001.parquet": hashlib.sha256(b"three").hexdigest()}
    before = len(server.requests)
    assert [file.read_bytes() for file in recorded(path).paths.values()] == [b"three"]
    assert len(server.requests) == before
    shutil.rmtree(tmp_path / "cache")
    assert [file.read_bytes() for file in recorded(path).paths.values()] == [b"three"]


def test_what_can_never_be_had_may_be_recorded_as_missing(server: HubServer, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    record(path, "owner/gone", ["*"], kind="dataset", revision=None, may_be_missing=True)
    assert "does not exist" in missing(path)
    assert next_attempt(path) == 2
    server.refuse_always = 503
    with pytest.raises(DownloadError, match="cannot be read"):
        record(tmp_path / "later.json", "owner/images", ["*"], kind="dataset", revision=None, may_be_missing=True)
    assert not (tmp_path / "later.json").exists()


@pytest.mark.parametrize("content", ["", '{"attempt": 3, "missing', "[]", "{}"])
def test_a_damaged_record_does_not_keep_the_workflow_from_being_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "record.json").write_text(content, encoding="utf-8")
    assert next_attempt(tmp_path / "record.json") == next_attempt(tmp_path / "none.json") == 1
