"""Commands about versions, on real repositories."""

import json
from pathlib import Path

import pytest

from stemma.cli.answers import Family, Files, History, Initialized, Labels, Models, Pulled, Related, Status, Versions
from stemma.client.answers import PushResult
from stemma.operations.views import VersionView
from tests.cli.running import stemma


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_folder_becomes_a_repository_once(tmp_path: Path) -> None:
    made = stemma("init", tmp_path / "new", "--json").read(Initialized)
    assert Path(made.root) == tmp_path / "new"
    assert (tmp_path / "new/.stemma/format.json").exists()
    again = stemma("init", tmp_path / "new")
    assert (again.code, again.out) == (5, "")


def test_push_prints_the_reference_and_tells_the_rest_aside(folder: Path, tmp_path: Path) -> None:
    files = tmp_path / "model"
    files.mkdir()
    (files / "a.bin").write_bytes(bytes(10_000))
    ran = stemma("push", "bank/loans", files, "-m", "Baseline")
    assert (ran.code, ran.out) == (0, "bank/loans@1.0.0\n")
    assert "1 file, 10.0 kB" in ran.err
    assert "v1) on main" in ran.err
    quiet = stemma("push", "bank/loans", files, "-m", "Again", "-q")
    assert (quiet.out, quiet.err) == ("bank/loans@1.1.0\n", "")
    del folder


def test_push_keeps_all_that_it_is_told(model: Path) -> None:
    (model / "weights.bin").write_bytes(bytes(range(250)) * 4)
    stemma("branch", "create", "bank/loans", "gbdt", "1.0.0")
    pushed = stemma(
        "push", "bank/loans", model, "-m", "Boosting\n\nWith depth 3.", "--why", "Recall", "--impact", "More approvals",
        "--version", "2.0.0", "--branch", "gbdt", "--parent", "bank/loans@1.0.0:fine_tuned_from", "--metric", "auc=0.9",
        "--metric", "worst=-inf", "--label", "team=risk", "--json",
    ).read(PushResult)  # fmt: skip
    version = pushed.version
    assert (version.number, version.branch, version.sequence) == ("2.0.0", "gbdt", 3)
    assert (version.message.what, version.message.why, version.message.impact) == (
        "Boosting\n\nWith depth 3.",
        "Recall",
        "More approvals",
    )
    assert [(p.kind, p.reference) for p in version.parents] == [("fine_tuned_from", "bank/loans@1.0.0")]
    assert {m.name: (m.value, m.kind) for m in version.metrics} == {"auc": (0.9, "finite"), "worst": (None, "-inf")}
    assert version.labels == {"team": "risk"}
    assert pushed.changed
    assert (pushed.bytes, pushed.shared) == (1016, 16)
    assert 0 < pushed.stored < 1000
    assert stemma("show", "bank/loans@2.0.0", "--json").read(VersionView) == version


def test_push_if_changed_prints_what_is_there(model: Path) -> None:
    ran = stemma("push", "bank/loans", model, "-m", "Again", "--if-changed")
    assert (ran.code, ran.out) == (0, "bank/loans@1.1.0\n")
    assert "Nothing changed" in ran.err
    assert not stemma("push", "bank/loans", model, "-m", "Again", "--if-changed", "--json").read(PushResult).changed
    assert len(stemma("ls", "bank/loans", "--json").read(Versions).versions) == 2


def test_an_experimental_version_is_below_one(folder: Path) -> None:
    (folder / "m").mkdir()
    (folder / "m/x").write_text("x")
    assert stemma("push", "x", folder / "m", "-m", "Try", "--experimental").out == "me/x@0.1.0\n"


def test_links_are_followed_only_on_request(model: Path) -> None:
    (model / "link").symlink_to(model / "card.md")
    assert stemma("push", "bank/loans", model, "-m", "x").code == 2
    assert stemma("push", "bank/loans", model, "-m", "x", "--follow-links").code == 0


def test_pull_writes_the_same_bytes(model: Path, tmp_path: Path) -> None:
    ran = stemma("pull", "bank/loans@latest", tmp_path / "out")
    assert (ran.code, ran.out) == (0, "bank/loans@1.1.0\n")
    assert contents(tmp_path / "out") == contents(model)
    pulled = stemma("pull", "bank/loans", "--range", "~1.0", tmp_path / "old", "--json").read(Pulled)
    assert (pulled.version.number, pulled.folder) == ("1.0.0", str(tmp_path / "old"))
    assert (tmp_path / "old/card.md").read_text() == "# Loans\n"


def test_pull_replaces_only_when_told(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/card.md").write_text("mine")
    assert stemma("pull", "bank/loans", tmp_path / "out").code == 5
    assert contents(tmp_path / "out") == {"card.md": b"mine"}
    assert stemma("pull", "bank/loans", tmp_path / "out", "--overwrite").code == 0
    assert contents(tmp_path / "out") == contents(model)


def test_show_tells_people_what_json_tells_programs(model: Path) -> None:
    shown = stemma("show", "bank/loans@1.1.0").out
    version = stemma("show", "bank/loans@1.1.0", "--json").read(VersionView)
    for text in (
        version.reference,
        version.digest,
        version.manifest,
        "1.1.0 (v2)",
        "Better card",
        "team=risk",
        "auc 0.81",
    ):
        assert text in shown
    assert "continues bank/loans@1.0.0" in shown
    del model


def test_listings_are_of_models_versions_and_files(model: Path) -> None:
    (model.parent / "work/one").mkdir()
    (model.parent / "work/one/f").write_text("f")
    stemma("push", "lab/other", model.parent / "work/one", "-m", "x")
    assert [m.model for m in stemma("ls", "--json").read(Models).models] == ["bank/loans", "lab/other"]
    assert [m.model for m in stemma("ls", "lab/", "--json").read(Models).models] == ["lab/other"]
    versions = stemma("ls", "bank/loans", "--json").read(Versions)
    assert [v.number for v in versions.versions] == ["1.1.0", "1.0.0"]
    assert not versions.truncated
    short = stemma("ls", "bank/loans", "-n", "1", "--json").read(Versions)
    assert ([v.number for v in short.versions], short.truncated) == (["1.1.0"], True)
    assert "--limit" in stemma("ls", "bank/loans", "-n", "1").err
    assert [v.number for v in stemma("ls", "bank/loans", "--label", "team=risk", "--json").read(Versions).versions] == [
        "1.1.0"
    ]
    files = stemma("ls", "bank/loans@1.0.0", "--json").read(Files)
    assert (files.reference, [(f.path, f.size) for f in files.files]) == (
        "bank/loans@1.0.0",
        [("card.md", 8), ("weights.bin", 100_000)],
    )
    text = stemma("ls", "bank/loans@1.0.0").out
    assert "card.md" in text
    assert "100.0 kB" in text
    assert stemma("ls", "bank/loans@1.0.0", "--label", "x").code == 2


def test_the_log_is_of_versions_and_moves_newest_first(model: Path) -> None:
    stemma("alias", "set", "bank/loans", "production", "1.0.0", "-m", "First")
    stemma("alias", "set", "bank/loans", "production", "1.1.0")
    history = stemma("log", "bank/loans", "--json").read(History)
    told = [
        (event.kind, event.version.number if event.version else event.move.after if event.move else None)
        for event in history.events
    ]
    assert told == [
        ("move", "bank/loans@1.1.0"),
        ("move", "bank/loans@1.0.0"),
        ("version", "1.1.0"),
        ("version", "1.0.0"),
    ]
    assert [e.time for e in history.events] == sorted((e.time for e in history.events), reverse=True)
    assert len(stemma("log", "bank/loans", "-n", "1", "--json").read(History).events) == 1
    text = stemma("log", "bank/loans").out
    assert "production 1.0.0 → 1.1.0" in text
    assert "Better card" in text
    del model


def test_the_tree_shows_branches_aliases_and_withdrawals(model: Path) -> None:
    (model / "card.md").write_text("# Boosted\n")
    stemma("branch", "create", "bank/loans", "gbdt", "1.0.0")
    stemma("push", "bank/loans", model, "-m", "Boosted", "--branch", "gbdt")
    stemma("alias", "set", "bank/loans", "production", "1.0.0")
    assert stemma("withdraw", "bank/loans@1.1.0", "-m", "Leaked labels").code == 0
    lines = stemma("tree", "bank/loans").out.splitlines()
    assert lines[0] == "bank/loans"
    assert lines[1].startswith("● 1.0.0 (v1) main [production]  Baseline")
    assert any("(v3) gbdt  Boosted" in line for line in lines)
    assert any("1.1.0 (v2)" in line and "withdrawn" in line for line in lines)
    nodes = stemma("tree", "bank/loans", "--json").read(Family).nodes
    assert {(n.sequence, n.withdrawn) for n in nodes} == {(1, False), (2, True), (3, False)}


def test_a_branch_is_released_and_labelled(model: Path) -> None:
    (model / "card.md").write_text("# Boosted\n")
    stemma("branch", "create", "bank/loans", "gbdt", "1.0.0")
    pushed = stemma("push", "bank/loans", model, "-m", "Boosted", "--branch", "gbdt", "--json").read(PushResult)
    assert pushed.version.number is not None
    assert "-" in pushed.version.number, "off main it carries a pre-release"
    released = stemma("release", pushed.version.reference, "--json").read(VersionView)
    assert released.number == pushed.version.number.partition("-")[0]
    assert pushed.version.number in released.numbers
    labels = stemma("label", "bank/loans@1.1.0", "reviewed=yes", "--remove", "team", "--json").read(Labels)
    assert labels.labels == {"reviewed": "yes"}
    assert stemma("label", "bank/loans", "tier=1", "--json").read(Labels).labels == {"tier": "1"}
    assert stemma("label", "bank/loans@1.1.0", "--json").read(Labels).labels == {"reviewed": "yes"}
    assert [m.model for m in stemma("ls", "--label", "tier", "--json").read(Models).models] == ["bank/loans"]


def test_a_withdrawn_version_is_passed_over_and_said_so(model: Path, tmp_path: Path) -> None:
    withdrawn = stemma("withdraw", "bank/loans@1.1.0", "-m", "Leaked", "--json").read(VersionView)
    assert withdrawn.withdrawn is not None
    assert withdrawn.withdrawn.reason == "Leaked"
    assert stemma("show", "bank/loans@latest", "--json").read(VersionView).number == "1.0.0"
    ran = stemma("pull", "bank/loans@1.1.0", tmp_path / "out")
    assert ran.code == 0
    assert "warning: this version was withdrawn: Leaked" in ran.err
    del model


def test_status_says_what_is_here_and_one_next_step(folder: Path) -> None:
    assert stemma("status", "--json").read(Status).next_step
    (folder / "m").mkdir()
    (folder / "m/x").write_bytes(bytes(100_000))
    for number in range(2):
        stemma("push", "bank/loans", folder / "m", "-m", f"{number}", "--label", f"n={number}")
    status = stemma("status", "--json").read(Status)
    assert (status.models, status.versions, status.bytes) == (1, 2, 200_000)
    assert status.stored < 100_000
    text = stemma("status").out
    assert "saved" in text
    assert text.count("Next: ") == 1


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (["show", "bank/loan"], 3, "bank/loans"),
        (["show", "bank/loans@1.2"], 2, "@1.2.0"),
        (["show", "bank/loans@"], 2, "--range"),
        (["show", "bank/loans@9.0.0"], 3, "9.0.0"),
        (["show", "Bank/Loans"], 2, "lower-case"),
        (["show", "../../etc/passwd"], 2, ""),
        (["ls", "bank/loans@1.0.0?x=y"], 2, "target"),
        (["pull", "bank/loans@nobody", "out"], 3, "nobody"),
        (["push", "bank/loans", "nowhere", "-m", "x"], 3, "nowhere"),
        (["push", "bank/loans", ".", "-m", ""], 2, "message"),
        (["push", "bank/loans", "m", "-m", "x", "--version", "1.0.0"], 5, "1.0.0"),
        (["push", "bank/loans", "m", "-m", "x", "--version", "one"], 2, "one"),
        (["push", "bank/loans", "m", "-m", "x\x1b[31m"], 2, "001B"),
        (["push", "bank/loans", "m", "-m", "x", "--parent", "bank/loans@7.0.0"], 3, "7.0.0"),
        (["push", "bank/loans", "m", "-m", "x", "--parent", "bank/loans@1.0.0:stolen"], 2, "fine_tuned_from"),
        (["push", "bank/loans", "m", "-m", "x", "--metric", "auc=good"], 2, "auc"),
        (["push", "bank/loans", "m", "-m", "x", "--branch", "latest"], 2, "latest"),
        (["release", "bank/loans@1.0.0"], 5, ""),
        (["ls", "--repo", "ftp://stemma.example"], 2, "server"),
        (["tree", "bank/none"], 3, "bank/none"),
        (["log", "bank/none"], 3, "bank/none"),
        (["label", "bank/loans@1.0.0", "bad"], 2, "NAME=VALUE"),
    ],
)
def test_mistakes_are_answered_with_a_message_and_a_code(model: Path, line: list[str], code: int, said: str) -> None:
    (model.parent / "work/m").mkdir()
    (model.parent / "work/m/x").write_text("x")
    ran = stemma(*line)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("error: ")
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert json.loads(stemma(*line, "--json").err)["exit_code"] == code


HOSTILE = ["[bold]x.bin", ":smile:.bin", "-rf", "$(touch owned)", "ünïcode.bin", "a;b#c?d", "[x]", "'\"`"]


def test_names_that_a_terminal_or_a_shell_would_obey_come_back_as_they_are(folder: Path) -> None:
    (folder / "m").mkdir()
    for name in HOSTILE:
        (folder / "m" / name).write_text(name)
    assert stemma("push", "x", folder / "m", "-m", "[red]not markup[/red] :smile:").code == 0
    for options in ([], ["--color", "always"]):
        listed = stemma("ls", "x@latest", *options).out
        assert all(name in listed for name in HOSTILE)
        for line in (["log", "x"], ["tree", "x"], ["show", "x"], ["ls", "x"]):
            assert "[red]not markup[/red] :smile:" in stemma(*line, *options).out
    assert {f.path for f in stemma("ls", "x@latest", "--json").read(Files).files} == set(HOSTILE)
    assert stemma("pull", "x", folder / "out").code == 0
    assert contents(folder / "out") == {name: name.encode() for name in HOSTILE}


@pytest.mark.parametrize("name", [b"\x1b]0;owned\x07", b"new\nline", b"caf\xe9", "right\u202eleft".encode()])
def test_names_that_would_move_the_cursor_are_never_printed_raw(folder: Path, name: bytes) -> None:
    (folder / "m").mkdir()
    Path(bytes(folder / "m").decode() + "/" + name.decode("utf-8", "surrogateescape")).write_text("x")
    for line in (["push", "x", "m", "-m", "x"], ["push", "x", "m", "-m", "x", "--json"], ["ls", "x@latest"]):
        ran = stemma(*line)
        assert ran.code in {0, 2, 3}
        assert not {"\x1b", "\x07", "\u202e", "\udce9"} & set(ran.out + ran.err)
        assert "new\nline" not in ran.out + ran.err


@pytest.mark.usefixtures("model")
def test_lineage_goes_both_ways() -> None:
    stemma("alias", "set", "bank/loans", "production", "1.1.0")
    up = stemma("lineage", "bank/loans@1.1.0", "--json").read(Related)
    assert [(node.reference, node.depth, node.kind) for node in up.nodes] == [("bank/loans@1.0.0", 1, "continues")]
    down = stemma("lineage", "bank/loans@1.0.0", "--impact", "--json").read(Related)
    versions = [(node.reference, node.aliases) for node in down.nodes if node.kind == "continues"]
    assert versions == [("bank/loans@1.1.0", ("bank/loans@production",))]
    assert [node.depth for node in down.nodes if node.kind == "evaluated_by"] == [2], "the metrics of 1.1.0"
    assert "bank/loans@1.1.0" in stemma("lineage", "bank/loans@1.0.0", "--descendants").out
    assert stemma("lineage", "bank/loans", "--kind", "nonsense").code == 2
