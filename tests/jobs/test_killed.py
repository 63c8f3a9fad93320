"""Killed while they deliver, processes lose nothing, keep the order, and say little twice."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stemma.app import RepositoryFolder, create_folder, open_folder
from stemma.names import ModelName
from stemma.records import Digest, canonical
from stemma.registry import Message, Subject, Submission, Version
from stemma.system import Transaction
from tests.jobs.delivering import RULES
from tests.jobs.receivers import OK, Heard, Receiver, answering, receiving
from tests.jobs.test_delivery import OWNER
from tests.registry.support import publish

LOANS = ModelName("bank", "loans")
EVENTS = 120
DEATHS = 8


@pytest.fixture
def folder(tmp_path: Path) -> RepositoryFolder:
    create_folder(tmp_path / "work")
    return open_folder(tmp_path / "work", webhook_rules=RULES)


def tell(folder: RepositoryFolder, receiver: Receiver, events: int) -> None:
    """Add a webhook, and make `events` events."""
    subjects, executor = folder.system.subjects, folder.system.executor
    executor.write(lambda tx: subjects.registry.create_namespace(tx, OWNER, "bank"))

    def register(tx: Transaction) -> None:
        data = canonical({"files": []})
        publish(tx, data)  # type: ignore[arg-type]  # it is the database's own transaction
        subjects.registry.versions.register(
            tx, OWNER, LOANS, Submission(Version(Digest.of(data), tx.now), Message("m"))
        )

    executor.write(register, frozenset({"bank"}))
    url = f"http://127.0.0.1:{receiver.port}/"
    executor.write(lambda tx: subjects.webhooks.add(tx, OWNER, "bank", url, ["label.*"]))

    def label(tx: Transaction) -> None:
        for number in range(events):
            subjects.registry.labels.set(tx, OWNER, Subject(LOANS), "turn", str(number))

    executor.write(label, frozenset({"bank"}))


def start(folder: RepositoryFolder) -> "subprocess.Popen[str]":
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.delivering", str(folder.root)], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    return program


def end(program: "subprocess.Popen[str]") -> None:
    program.kill()
    program.wait()
    assert program.stdout is not None
    program.stdout.close()


def ids(heard: list[Heard]) -> list[str]:
    return [each.headers["webhook-id"] for each in heard]


def until_told(receiver: Receiver, events: int) -> None:
    deadline = time.monotonic() + 60
    while len(set(ids(receiver.heard))) < events:
        assert time.monotonic() < deadline, len(receiver.heard)
        time.sleep(0.02)


@pytest.mark.slow
def test_killed_again_and_again(folder: RepositoryFolder) -> None:
    generator = random.Random(20261124)
    with receiving(answering(OK)) as receiver:
        tell(folder, receiver, EVENTS)
        for _ in range(DEATHS):
            program = start(folder)
            time.sleep(generator.uniform(0.05, 0.3))
            end(program)
            time.sleep(generator.uniform(0.0, 2.0))
        program = start(folder)
        until_told(receiver, EVENTS)
        end(program)
        told = ids(receiver.heard)
        sequences = [int(each.body.split(b'"sequence":')[1].split(b",")[0]) for each in receiver.heard]
    folder.close()
    assert len(set(told)) == EVENTS
    assert len(told) - EVENTS <= DEATHS, "at most the one that each was sending when it was killed"
    assert sequences == sorted(sequences), "a repeated event comes before the next, so the order holds"


@pytest.mark.slow
def test_several_processes_at_once_say_nothing_twice(folder: RepositoryFolder) -> None:
    with receiving(answering(OK)) as receiver:
        programs = [start(folder) for _ in range(3)]
        tell(folder, receiver, EVENTS)
        until_told(receiver, EVENTS)
        time.sleep(0.5)
        for program in programs:
            end(program)
        told = ids(receiver.heard)
    folder.close()
    assert len(told) == EVENTS
    assert len(set(told)) == EVENTS
