"""Bytes over a real socket: what goes in comes out, and whoever lies about it is refused."""

import hashlib
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stemma.app import open_folder
from stemma.client import Repository
from stemma.client.files.checkout import WORK
from stemma.client.files.wanted import Wanted
from stemma.client.progress import SILENCE
from stemma.errors import CorruptError
from stemma.http.running import Limits
from stemma.operations import BY_NAME
from stemma.operations.people.values import AddPrincipal, CreateToken
from stemma.records import Digest
from tests.artifacts.support import Store
from tests.artifacts.test_arrivals import Forgery, packed
from tests.artifacts.test_store import hostile_tree, model
from tests.faults import SOON
from tests.http.asking import Got, ask, read_all
from tests.serving import serving
from tests.wire.native.conftest import add_admin

PREFIX = "/api/v1"
BINARY = {"Content-Type": "application/octet-stream"}
TREE = {"model.safetensors": model(), "notes/a.txt": b"a", "empty": b"", "copy of a": b"a"}


def write_tree(folder: Path, tree: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for path, data in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Repository.init(tmp_path / "root").close()
    return tmp_path / "root"


@pytest.fixture
def url(root: Path) -> Iterator[str]:
    with serving(root, limits=Limits(body_stall=1.0, shutdown=3)) as url:
        yield url


def verify(root: Path) -> None:
    with Repository.open(root) as repository:
        assert repository.verify(deep=True).sound
        assert repository.database.check() == ()
    assert not [each for each in (root / ".stemma" / "uploads").glob("*") if any(each.iterdir())]


# -- pushing and pulling -----------------------------------------------------------------------------------------


def test_hostile_folders_come_back(root: Path, url: str, tmp_path: Path) -> None:
    with Repository.open(url) as repository:
        for seed in range(8):
            tree = hostile_tree(seed)
            source = write_tree(tmp_path / f"source-{seed}", tree)
            pushed = repository.push("bank/loans", source, message=f"{seed}")
            assert pushed.bytes == sum(map(len, tree.values()))
            repository.pull(pushed.version.reference, tmp_path / f"out-{seed}")
            assert read_tree(tmp_path / f"out-{seed}") == tree
    verify(root)


def test_modes_and_empty_folders_come_back(url: str, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", {"run.sh": b"#!/bin/sh\n", "plain": b"#!/bin/sh\n"})
    (source / "run.sh").chmod(0o755)
    (source / "nothing" / "here").mkdir(parents=True)
    with Repository.open(url) as repository:
        repository.push("bank/loans", source, message="x")
        repository.pull("bank/loans@latest", tmp_path / "out")
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o111
    assert not (tmp_path / "out" / "plain").stat().st_mode & 0o111
    assert (tmp_path / "out" / "nothing" / "here").is_dir()


def test_what_is_there_is_not_sent(root: Path, url: str, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "source", TREE)
    with Repository.open(url) as repository:
        assert repository.push("bank/loans", source, message="x").stored > 3_000_000
        again = repository.push("bank/cards", source, message="y")
        assert (again.stored, again.shared) == (0, sum(map(len, TREE.values())))
    assert sum(1 for _ in (root / ".stemma" / "packs").glob("*/*.pack")) == 1


def test_pushes_at_once(root: Path, url: str, tmp_path: Path) -> None:
    sources = [write_tree(tmp_path / f"{number}", TREE | {"own": bytes([number]) * 70_000}) for number in range(4)]
    sources += sources[:2]  # the very same push twice at once

    def push(number: int) -> str:
        with Repository.open(url) as repository:
            return repository.push(f"bank/m{number}", sources[number], message="x").version.reference

    with ThreadPoolExecutor(6) as pool:
        references = list(pool.map(push, range(6)))
    with Repository.open(url) as repository:
        for number, reference in enumerate(references):
            repository.pull(reference, tmp_path / f"out-{number}")
            assert read_tree(tmp_path / f"out-{number}") == read_tree(sources[number])
    verify(root)


def test_damaged_bytes_of_the_server_are_never_seen(root: Path, url: str, tmp_path: Path) -> None:
    with Repository.open(url) as repository:
        repository.push("bank/loans", write_tree(tmp_path / "source", TREE), message="x")
        (pack,) = (root / ".stemma" / "packs").glob("*/*.pack")
        data = bytearray(pack.read_bytes())
        data[3_000_000] ^= 1
        pack.chmod(0o644)
        pack.write_bytes(data)
        with pytest.raises(CorruptError):
            repository.pull("bank/loans@latest", tmp_path / "out")
        assert "out/model.safetensors" not in read_tree(tmp_path)
    shown = ask(url, f"{PREFIX}/content", query={"reference": "bank/loans", "path": "notes/a.txt"})
    assert (shown.status, shown.body) == (200, b"a")


def test_a_check_out_goes_on_where_it_was(url: str, tmp_path: Path) -> None:
    content = hashlib.shake_256(b"x").digest(20 << 20)
    with Repository.open(url) as repository:
        repository.push("bank/loans", write_tree(tmp_path / "source", {"large": content}), message="x")
        digest = hashlib.sha256(content).hexdigest()
        found = repository.resolve("bank/loans@latest")

        files = repository._calls.files._wire  # type: ignore[attr-defined]  # noqa: SLF001  # past the cache
        wanted = Wanted(f"{found.model}@{found.digest}", Digest(found.manifest))
        for there in (content[: 9 << 20], b"wrong" * 1000, content + b"more"):
            place = write_tree(tmp_path / "out", {f"{WORK}/{digest}.1": there, f"{WORK}/other": b"stale"})
            files.check_out(wanted, place, overwrite=True, progress=SILENCE)
            assert read_tree(place) == {"large": content}
            shutil.rmtree(place)


# -- content -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, bytes]]:
    """Serve one large file, and give the URL and the bytes."""
    base = tmp_path_factory.mktemp("content")
    data = hashlib.shake_256(b"content").digest(3_000_000)
    Repository.init(base / "root").close()
    with Repository.open(base / "root") as repository:
        repository.push("bank/loans", write_tree(base / "source", {"ü.bin": data}), message="x")
    with serving(base / "root") as url:
        yield url, data


def fetch(url: str, method: str = "GET", **headers: str) -> Got:
    query = {"reference": "bank/loans@latest", "path": "ü.bin"}
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return ask(url, f"{PREFIX}/content", method=method, query=query, headers=given)


def test_content_is_sent_whole(content: tuple[str, bytes]) -> None:
    url, data = content
    got = fetch(url)
    assert got.body == data
    assert got.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%BC.bin"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["accept-ranges"] == "bytes"
    head = fetch(url, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(data)))
    assert fetch(url, If_None_Match=got.headers["etag"]).status == 304
    assert fetch(url, If_None_Match='"other"').status == 200


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=2999999-", 2999999, 3000000),
        ("bytes=-7", 2999993, 3000000),
        ("bytes=-99999999", 0, 3000000),
        ("bytes=1000000-99999999999", 1000000, 3000000),
        ("BYTES= 131071-131073", 131071, 131074),
    ],
)
def test_a_range(content: tuple[str, bytes], asked: str, start: int, end: int) -> None:
    url, data = content
    got = fetch(url, Range=asked)
    assert (got.status, got.body) == (206, data[start:end])
    assert got.headers["content-range"] == f"bytes {start}-{end - 1}/{len(data)}"


def test_several_ranges(content: tuple[str, bytes]) -> None:
    url, data = content
    got = fetch(url, Range="bytes=0-4, 1000000-1999999,-3")
    kind, _, boundary = got.headers["content-type"].partition("; boundary=")
    assert (got.status, kind) == (206, "multipart/byteranges")
    parts = got.body.split(f"\r\n--{boundary}".encode())
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    bodies = [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]]
    assert bodies == [data[:5], data[1000000:2000000], data[-3:]]


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=3000000-",
        "bytes=-0",
        "bytes=5-4",
        "bytes=a-b",
        "bytes=-",
        "bytes=",
        "bytes=1-2-3",
        "bytes=0-2999999,0-0",
        "bytes=" + ",".join(f"{number}-{number}" for number in range(17)),
        "bytes=" + ",".join("0-" for _ in range(3)),
        "bytes=99999999999999999999-",
    ],
)
def test_ranges_that_are_none(content: tuple[str, bytes], asked: str) -> None:
    url, data = content
    got = fetch(url, Range=asked)
    assert (got.status, got.code) == (416, "invalid")
    assert got.headers["content-range"] == f"bytes */{len(data)}"


def test_ten_thousand_ranges_are_refused(content: tuple[str, bytes]) -> None:
    url, _ = content
    begun = time.monotonic()
    asked = "bytes=" + ",".join(f"{number}-{number}" for number in range(0, 20_000, 2))
    assert fetch(url, Range=asked).status in {416, 431}
    assert time.monotonic() - begun < SOON


def test_if_range(content: tuple[str, bytes]) -> None:
    url, data = content
    tag = f'"{hashlib.sha256(data).hexdigest()}"'
    assert fetch(url, Range="bytes=0-4", If_Range=tag).body == data[:5]
    assert fetch(url, Range="bytes=0-4", If_Range='"older"').body == data
    assert fetch(url, Range="lines=0-4").body == data


@pytest.mark.parametrize("path", ["", "nothing", "../ü.bin", "/ü.bin", "./ü.bin", "ü.bin/", "U\u0308.bin"])
def test_paths_that_are_not_there(content: tuple[str, bytes], path: str) -> None:
    got = ask(content[0], f"{PREFIX}/content", query={"reference": "bank/loans@latest", "path": path})
    assert (got.status, got.code) == (404, "not_found")


def test_a_client_that_does_not_read_holds_nobody_up(content: tuple[str, bytes]) -> None:
    url, data = content
    parts = urlsplit(url)
    idle = []
    for _ in range(20):
        peer = socket.create_connection((parts.hostname, parts.port))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(f"GET {PREFIX}/content?reference=bank/loans&path=%C3%BC.bin HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        idle.append(peer)
    begun = time.monotonic()
    assert fetch(url).body == data
    assert time.monotonic() - begun < SOON
    for peer in idle:
        peer.close()


# -- uploads -----------------------------------------------------------------------------------------------------


def begin(url: str, namespace: str = "bank", headers: Mapping[str, str] | None = None) -> str:
    return str(
        ask(url, f"{PREFIX}/uploads", method="POST", body={"namespace": namespace}, headers=headers).json["upload"]
    )


def put(
    url: str, upload: str, pack: str, data: bytes, offset: int = 0, *, headers: Mapping[str, str] | None = None
) -> Got:
    return ask(
        url,
        f"{PREFIX}/uploads/{upload}/packs/{pack}",
        method="PUT",
        query={"offset": offset},
        body=data,
        headers={**BINARY, **(headers or {})},
    )


def commit(
    url: str, upload: str, packs: list[str], tree: Mapping[str, bytes], headers: Mapping[str, str] | None = None
) -> Got:
    files = [
        {"path": path, "size": len(data), "digest": f"sha256:{hashlib.sha256(data).hexdigest()}"}
        for path, data in tree.items()
    ]
    body = {"packs": packs, "files": files}
    return ask(url, f"{PREFIX}/uploads/{upload}/commit", method="POST", body=body, headers=headers)


def test_an_upload_by_hand(url: str) -> None:
    upload = begin(url)
    ((pack, data),) = packed(Store(), TREE, scope="bank").items()
    assert put(url, upload, pack, data[:1000]).json == {"received": 1000}
    missed = put(url, upload, pack, data[:1000])
    assert (missed.status, missed.code, missed.headers["upload-offset"]) == (409, "conflict", "1000")
    assert put(url, upload, pack, data[2000:], 2000).status == 409
    assert put(url, upload, pack, data[1000:], 1000).json == {"received": len(data)}
    shown = ask(url, f"{PREFIX}/upload", query={"upload": upload}).json
    assert shown["packs"] == [{"pack": pack, "size": len(data)}]
    done = commit(url, upload, [pack], TREE)
    assert done.status == 200
    assert commit(url, upload, [], {}).json == done.json, "who asks again is told the same"
    assert ask(url, f"{PREFIX}/uploads/{upload}/commit").json == done.json
    assert put(url, upload, pack, b"more", len(data)).code == "conflict"


def test_damaged_and_forged_packs_are_refused_and_change_nothing(root: Path, url: str) -> None:
    upload = begin(url)
    ((pack, data),) = packed(Store(), TREE, scope="bank").items()
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    put(url, upload, pack, bytes(damaged))
    got = commit(url, upload, [pack], TREE)
    assert (got.status, got.code) == (422, "corrupt")
    for scope in ("other", "me"):
        other = begin(url)
        ((forged, data),) = Forgery(scope=scope).build().items()
        put(url, other, forged, data)
        assert commit(url, other, [forged], {}).status == 422
    assert commit(url, begin(url), ["11" * 16], {}).status == 404
    assert commit(url, begin(url), [], TREE).code == "not_found"
    assert commit(url, begin(url), ["../../../etc"], {}).code == "invalid"
    assert list((root / ".stemma" / "packs").glob("*/*.pack")) == []
    with Repository.open(root) as repository:
        assert repository.status().stored == 0


def test_of_portions_sent_at_once_one_is_taken(url: str) -> None:
    upload, pack = begin(url), "ab" * 16
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: put(url, upload, pack, bytes([number]) * 3_000_000), range(8)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses.count(200) <= 1
    assert set(statuses) <= {200, 409}
    shown = ask(url, f"{PREFIX}/upload", query={"upload": upload}).json
    assert shown["packs"][0]["size"] <= 3_000_000


def test_known_answers_for_what_can_be_read(url: str, tmp_path: Path) -> None:
    with Repository.open(url) as repository:
        repository.push("bank/loans", write_tree(tmp_path / "source", {"a": b"a"}), message="x")
    upload = begin(url)
    there, other = hashlib.sha256(b"a").digest(), hashlib.sha256(b"b").digest()
    path = f"{PREFIX}/uploads/{upload}/known"
    got = ask(url, path, method="POST", query={"kind": "files"}, body=other + there, headers=BINARY)
    assert got.body == b"\0\1"
    assert ask(url, path, method="POST", query={"kind": "blocks"}, body=other, headers=BINARY).body == b"\0"
    assert ask(url, path, method="POST", query={"kind": "blocks"}, body=b"", headers=BINARY).body == b""
    for kind, body in [("files", b"x" * 33), ("tables", other), ("blocks", other * 16_385)]:
        assert ask(url, path, method="POST", query={"kind": kind}, body=body, headers=BINARY).code == "invalid"


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", BINARY, 400),
        ("?offset=-1", BINARY, 400),
        ("?offset=1e3", BINARY, 400),
        ("?offset=99999999999999999999", BINARY, 400),
        ("?offset=0&offset=1", BINARY, 400),
        ("?offset=0&sealed=true", BINARY, 400),
        ("?offset=0", {"Content-Type": "text/plain"}, 415),
        ("?offset=0", BINARY | {"Content-Encoding": "gzip"}, 415),
        ("?offset=9223372036854775807", BINARY, 413),
    ],
)
def test_portions_that_make_no_sense(url: str, query: str, headers: Mapping[str, str], status: int) -> None:
    path = f"{PREFIX}/uploads/{begin(url)}/packs/{'ab' * 16}{query}"
    assert ask(url, path, method="PUT", body=b"x", headers=headers).status == status


@pytest.mark.parametrize("pack", ["x", "AB" * 16, "..%2F..%2Fpacks", "ab" * 15, "%00" * 32])
def test_packs_of_no_name(root: Path, url: str, pack: str) -> None:
    got = put(url, begin(url), pack, b"x")
    assert got.status in {400, 404}
    assert not list((root / ".stemma").rglob("*.part"))


def test_an_endless_body_is_cut_off(root: Path, url: str) -> None:
    upload = begin(url)
    parts = urlsplit(url)
    with closing(socket.create_connection((parts.hostname, parts.port), timeout=20)) as peer:
        peer.sendall(
            f"PUT {PREFIX}/uploads/{upload}/packs/{'ab' * 16}?offset=0 HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        with suppress(OSError):
            for _ in range(600):
                peer.sendall(chunk)
        answer = read_all(peer)
    assert b" 413 " in answer.partition(b"\r\n")[0] or answer == b""
    assert sum(path.stat().st_size for path in (root / ".stemma" / "uploads").rglob("*.part")) <= 512 << 20
    assert ask(url, "/healthz").status == 200


def test_a_client_that_stalls_is_cut_off_and_what_came_counts(url: str) -> None:
    upload, pack, parts = begin(url), "cd" * 16, urlsplit(url)
    with closing(socket.create_connection((parts.hostname, parts.port), timeout=20)) as peer:
        peer.sendall(
            f"PUT {PREFIX}/uploads/{upload}/packs/{pack}?offset=0 HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            "Content-Type: application/octet-stream\r\nContent-Length: 4000000\r\n\r\n".encode()
        )
        peer.sendall(bytes(2_500_000))
        assert b" 408 " in read_all(peer).partition(b"\r\n")[0]
    (shown,) = ask(url, f"{PREFIX}/upload", query={"upload": upload}).json["packs"]
    assert 1_000_000 < shown["size"] <= 2_500_000


# -- other people ------------------------------------------------------------------------------------------------


def test_sessions_and_content_of_others_are_as_if_they_were_not(tmp_path: Path) -> None:
    root = tmp_path / "root"
    Repository.init(root).close()
    add_admin(root)
    folder = open_folder(root)
    owner, tokens = folder.owner("tester"), {}
    for namespace in ("bank", "elsewhere"):
        create = BY_NAME["namespace.create"]
        folder.system.run(create, owner, create.request(namespace=namespace))
    for name, namespace in [("bob", "bank"), ("eve", "bank"), ("mallory", "elsewhere")]:
        folder.system.run(BY_NAME["user.add"], owner, AddPrincipal(name=name, role="contributor", namespace=namespace))
        tokens[name] = str(folder.system.run(BY_NAME["token.create"], owner, CreateToken(principal=name)).secret)
    folder.close()
    heads = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
    ((pack, data),) = packed(Store(), {"a": b"a secret"}, scope="bank").items()
    with serving(root) as url:
        upload = begin(url, headers=heads["bob"])
        put(url, upload, pack, data, headers=heads["bob"])
        nowhere = "00" * 16
        for thief in ("eve", "mallory"):
            for id_ in (upload, nowhere):
                told = [
                    put(url, id_, pack, b"x", len(data), headers=heads[thief]),
                    commit(url, id_, [pack], {"a": b"a secret"}, heads[thief]),
                    ask(url, f"{PREFIX}/uploads/{id_}/commit", headers=heads[thief]),
                    ask(url, f"{PREFIX}/upload", query={"upload": id_}, headers=heads[thief]),
                    ask(url, f"{PREFIX}/uploads/abandon", method="POST", body={"upload": id_}, headers=heads[thief]),
                    ask(url, f"{PREFIX}/uploads/renew", method="POST", body={"upload": id_}, headers=heads[thief]),
                    ask(
                        url,
                        f"{PREFIX}/uploads/{id_}/known",
                        method="POST",
                        query={"kind": "files"},
                        body=bytes(32),
                        headers=BINARY | heads[thief],
                    ),
                ]
                assert [got.code for got in told] == ["not_found"] * 7
                assert {got.json["detail"] for got in told} == {f"there is no open upload {id_!r}"}
        assert (
            ask(url, f"{PREFIX}/uploads", method="POST", body={"namespace": "bank"}, headers=heads["mallory"]).status
            == 404
        )
        assert commit(url, upload, [pack], {"a": b"a secret"}, heads["bob"]).status == 200
        secret = hashlib.sha256(b"a secret").digest()
        for name, answer in [("bob", b"\1"), ("eve", b"\1"), ("mallory", b"\0")]:
            own = begin(url, "elsewhere" if name == "mallory" else "bank", heads[name])
            path = f"{PREFIX}/uploads/{own}/known"
            got = ask(url, path, method="POST", query={"kind": "files"}, body=secret, headers=BINARY | heads[name])
            assert got.body == answer
        stolen = commit(url, begin(url, "elsewhere", heads["mallory"]), [], {"a": b"a secret"}, heads["mallory"])
        assert stolen.code == "not_found"
        query = {"reference": "bank/loans", "path": "a"}
        assert ask(url, f"{PREFIX}/content", query=query, headers=heads["mallory"]).code == "not_found"
        assert ask(url, f"{PREFIX}/content", query=query).status == 401
