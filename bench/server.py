"""How many requests a second one server process answers: `resolve` and `version.register`, measured with wrk.

    python bench/server.py [--versions N] [--seconds S] [--database sqlite|postgresql]

`resolve`: 10,000 aliases at random over 16 kept connections, the token checked at each request, while another process
moves aliases and asks after each acknowledged move whether the server tells the new version; one stale answer fails.
`register`: each request a message of its own, a manifest of three files, one parent, 20 parameters, 5 metrics; what was
acknowledged is then counted in the database: entries, numbers, edges, messages. SQLite writes with synchronous=FULL.
"""

import argparse
import http.client
import json
import os
import platform
import random
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest

from stemma.access import Caller
from stemma.app import open_folder
from stemma.client.repository import Repository
from stemma.operations import AnyOperation, Transaction, pointers, versions
from stemma.operations.people import tokens, users
from stemma.operations.people.values import AddPrincipal, CreateToken
from stemma.operations.requests import MetricGiven, ParentGiven, Register, Request, SetAlias
from stemma.settings import load_settings
from stemma.system import System
from tests.postgresql import running

MODELS, ALIASES, CONNECTIONS = 1_000, 10, 16
LIMITS = {"sqlite": (4_000, 1_900), "postgresql": (2_000, 950)}
COUNTS = {
    "versions": "count(*) FROM versions",
    "entries": "count(*) FROM entries WHERE action = 'version.register'",
    "numbers": "count(*) FROM numbers",
    "messages": "count(*) FROM messages",
    "metrics": "count(*) / 5 FROM measurements",
}
_FILL = 500
RESOLVE = """
math.randomseed(SEED)
function request()
  local model, alias = math.random(0, {models} - 1), math.random(0, {aliases} - 1)
  return wrk.format("GET", "/api/v1/resolve?reference=bench%2Fm" .. model .. "%40a" .. alias)
end
""" + (
    REPORT := """
local threads = {{}}
function setup(thread)
  thread:set("id", #threads)
  table.insert(threads, thread)
end
wrk.headers["Authorization"] = "Bearer {token}"
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("BENCH %d %d %d %d %d\\n", summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""
)
REGISTER = (
    REPORT
    + """
local count = 0
wrk.headers["Content-Type"] = "application/json"
function request()
  count = count + 1
  local what = string.format("bench %s %d-%d", SEED, id, count)
  return wrk.format("POST", "/api/v1/versions", nil, string.format([[{body}]], what))
end
"""
)


@dataclass(frozen=True)
class Rate:
    """What wrk counted: requests, those that failed, latency in microseconds; `busy` is the server's processor time."""

    requests: int
    failed: int
    seconds: float
    median: int
    slow: int
    busy: float = 0.0

    @property
    def per_second(self) -> float:
        """Requests that were answered well in a second."""
        return (self.requests - self.failed) / self.seconds


@dataclass(frozen=True)
class Filled:
    """A repository that is ready: where, whose token, and what to register."""

    root: Path
    database: str | None
    token: str
    manifest: str
    parent: str


def fill(root: Path, database: str | None, count: int) -> Filled:
    """Make a repository of `count` versions and 10,000 aliases."""
    source = root.parent / "files"
    source.mkdir()
    for number in range(3):
        (source / f"part-{number}.bin").write_bytes(random.Random(number).randbytes(1000))
    with Repository.open(root) as repository:
        first = repository.push("bench/main", source, message="first").version
    folder = open_folder(root, database_url=database)
    try:
        owner = folder.owner("bench")
        system, generator = folder.system, random.Random(1)
        system.run(users.ADD, owner, AddPrincipal(name="wrk", role="admin", namespace="*"))
        token = system.run(tokens.CREATE, owner, CreateToken(principal="wrk")).secret
        filled = Filled(root, database, token, first.manifest, first.digest)
        work = [registration(filled, f"m{number % MODELS}", f"{number}", generator) for number in range(2 * MODELS)]
        work += [registration(filled, "main", f"{number}", generator) for number in range(max(0, count - len(work)))]
        for at in range(0, len(work), _FILL):
            chunk = work[at : at + _FILL]
            run_all(system, owner, versions.REGISTER, chunk)
            if sys.stderr.isatty():
                print(f"\rfilling: {at + len(chunk):,} of {len(work):,}", end="", file=sys.stderr)
        for model in range(MODELS):
            moves = [alias(model, number, "v1") for number in range(ALIASES)]
            run_all(system, owner, pointers.SET_ALIAS, moves)
    finally:
        folder.close()
    return filled


def run_all(system: System, owner: Caller, operation: AnyOperation, asked: Sequence[Request]) -> None:
    """Run an operation many times in one transaction."""

    def step(tx: Transaction) -> None:
        for each in asked:
            operation.run(system.subjects, tx, owner, each)

    system.executor.write(step, frozenset({"bench"}))


def registration(filled: Filled, model: str, what: str, generator: random.Random) -> Register:
    """Return a request to register a version."""
    return Register(
        model=f"bench/{model}",
        manifest=filled.manifest,
        what=what,
        parents=(ParentGiven(origin=filled.parent),),
        params=parameters(generator),
        metrics=tuple(MetricGiven(name=f"metric_{number}", value=generator.random()) for number in range(5)),
    )


def parameters(generator: random.Random) -> dict[str, str | int | float | bool | None]:
    """Return twenty parameters of the usual kinds."""
    values: dict[str, str | int | float | bool | None] = {f"rate_{number}": generator.random() for number in range(8)}
    values |= {f"size_{number}": generator.randrange(1024) for number in range(8)}
    return values | {"optimizer": "adamw", "schedule": "cosine", "shuffle": True, "clip": None}


def alias(model: int, number: int, selector: str) -> SetAlias:
    """Return a request to move one of the aliases."""
    return SetAlias(model=f"bench/m{model}", alias=f"a{number}", selector=selector)


@contextmanager
def serving(root: Path) -> Iterator[tuple[str, float, int]]:
    """Run a server; yield its address, how long it took until it answered, and its process id."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "stemma", "--json", "serve", "--port", "0", "--log-requests", "no"]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, f"the server ended with {process.wait()}"
            text += line
        url = json.loads(text)["url"]
        ask(url, "/healthz", None)
        yield url, time.perf_counter() - begun, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def ask(url: str, path: str, token: str | None) -> bytes:
    """Ask the server for something."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    data = answer.read()
    assert answer.status == 200, data
    connection.close()
    return data


def load(url: str, script: str, seconds: int) -> Rate:
    """Run wrk with one of the scripts."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(f"SEED = {time.time_ns() % 2**31}\n{script}")
        file.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", file.name, url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"BENCH (\d+) (\d+) (\d+) (\d+) (\d+)", done.stdout)
    measured = re.search(r"requests in ([0-9.]+)(ms|s|m)", done.stdout)
    assert found, done.stdout + done.stderr
    assert measured, done.stdout
    requests, status, transport, median, slow = map(int, found.groups())
    took = float(measured[1]) * {"ms": 0.001, "s": 1, "m": 60}[measured[2]]
    return Rate(requests, status + transport, took, median, slow)


def move(root: Path, url: str, token: str, seconds: float) -> None:
    """Move aliases in this process, ask the server after each move, and print how many answers were right and stale."""
    folder = open_folder(root, database_url=load_settings().text("database.url"))
    owner, generator = folder.owner("mover"), random.Random(2)
    held: dict[tuple[int, int], str] = {}
    right = stale = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        which = generator.randrange(MODELS), generator.randrange(ALIASES)
        held[which] = selector = "v2" if held.get(which, "v1") == "v1" else "v1"
        moved = folder.system.run(pointers.SET_ALIAS, owner, alias(*which, selector))
        path = f"/api/v1/resolve?reference={quote(f'bench/m{which[0]}@a{which[1]}', safe='')}"
        if json.loads(ask(url, path, token))["reference"] == moved.after:
            right += 1
        else:
            stale += 1
        time.sleep(0.002)
    folder.close()
    print(right, stale)


def counted(root: Path, database: str | None) -> dict[str, int]:
    """Return how many rows of each kind there are."""
    connection = psycopg.connect(database) if database else sqlite3.connect(root / ".stemma" / "stemma.db")
    with closing(connection):
        counts = {}
        for name, what in COUNTS.items():
            row = connection.execute(f"SELECT {what}").fetchone()
            assert row is not None
            counts[name] = int(row[0])
        return counts


def watched(process: int, run: Callable[[], Rate]) -> Rate:
    """Run a load, and add for how long the server's threads were on a core."""
    before = busy(process)
    rate = run()
    return replace(rate, busy=busy(process) - before)


def busy(process: int) -> float:
    """Return the processor time of a process, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(process: int) -> float:
    """Return the resident memory of a process, in MB."""
    text = Path(f"/proc/{process}/status").read_text("ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found
    return int(found[1]) / 1000


def fsync_time(folder: Path) -> float:
    """Return the median time of an fsync after a small append, in milliseconds."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def measure(filled: Filled, seconds: int) -> tuple[Rate, Rate, list[str]]:
    """Put load on a server; return both rates and what else was found."""
    notes = []
    with serving(filled.root) as (url, took, process):
        notes.append(f"start to healthy {took:.2f} s (limit 1.5)")
        names = {"models": MODELS, "aliases": ALIASES, "token": filled.token}
        body = registration(filled, "main", "%s", random.Random(3))
        text = json.dumps(
            {"model": body.model, "manifest": body.manifest, "what": "%s", "parents": [{"origin": filled.parent}]}
            | {"params": body.params, "metrics": [{"name": each.name, "value": each.value} for each in body.metrics]}
        )
        load(url, RESOLVE.format(**names), 2)
        arguments = [str(filled.root), url, filled.token, str(seconds)]
        mover = subprocess.Popen([sys.executable, __file__, "--move", *arguments], stdout=subprocess.PIPE, text=True)
        resolved = watched(process, lambda: load(url, RESOLVE.format(**names), seconds))
        right, stale = map(int, mover.communicate()[0].split())
        notes.append(f"{right:,} moves by another process meanwhile, {stale} stale answers")
        assert stale == 0
        assert right > 0
        load(url, REGISTER.format(body=text, **names), 2)
        time.sleep(0.5)
        before = counted(filled.root, filled.database)
        registered = watched(process, lambda: load(url, REGISTER.format(body=text, **names), seconds))
        time.sleep(0.5)  # what wrk left behind when it ended
        after = counted(filled.root, filled.database)
        notes.append(f"resident after the load {resident(process):.0f} MB (limit 150)")
    added = {name: after[name] - before[name] for name in after}
    acknowledged = registered.requests - registered.failed
    notes.append(f"rows added: {added}, acknowledged: {acknowledged:,}")
    assert len(set(added.values())) == 1, added
    assert 0 <= added["versions"] - acknowledged <= CONNECTIONS  # the last answers came after wrk had ended
    return resolved, registered, notes


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--database", choices=LIMITS, default="sqlite")
    parser.add_argument("--move", nargs=4)
    given = parser.parse_args()
    if given.move:
        root, url, token, seconds = given.move
        move(Path(root), url, token, float(seconds))
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed. On Debian and Ubuntu: apt-get install wrk")
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stemma-bench-")))
        database = None
        if given.database == "postgresql":
            database = stack.enter_context(running(durable=True)).create("bench")
            stack.enter_context(pytest.MonkeyPatch.context()).setenv("STEMMA_DATABASE_URL", database)
        Repository.init(place / "repository", database=database).close()
        filled = fill(place / "repository", database, given.versions)
        if database:
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute("ANALYZE")  # as the server does by itself a minute later
        resolved, registered, notes = measure(filled, given.seconds)
        fsync = fsync_time(place)
    what = (
        f"one process, {CONNECTIONS} connections, {given.seconds} s each, {given.database}, {given.versions:,} versions"
    )
    print(f"{what}; fsync {fsync:.2f} ms; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    print(f"{'':12} {'requests/s':>11} {'at least':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8} {'failed':>7}")
    for name, rate, least in zip(("resolve", "register"), (resolved, registered), LIMITS[given.database], strict=True):
        figures = f"{rate.per_second:11,.0f} {least:9,} {rate.median / 1000:8.2f} {rate.slow / 1000:8.2f}"
        print(f"{name:12} {figures} {rate.busy / rate.requests * 1000:8.3f} {rate.failed:7}")
    for note in notes:
        print(f"  {note}")


if __name__ == "__main__":
    main()
