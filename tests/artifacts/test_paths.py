"""Which paths a manifest holds: what is refused, what is merely reported."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.artifacts.paths import check_path, check_paths, portability_warnings
from stemma.errors import InvalidError, StemmaError, TooLargeError

REFUSED = {
    "../x": "leave the folder",
    "a/../x": "leave the folder",
    "/etc/passwd": "absolute",
    "//server/share": "absolute",
    "": "empty part",
    "a//b": "empty part",
    "a/": "empty part",
    "./a": "part '.'",
    "a/.": "part '.'",
    "..\\x": "backslash",
    "C:\\x": "backslash",
    "\\\\server\\share": "backslash",
    "a\0b": "U+0000",
    "a\nb": "U+000A",
    "a\x1b[31m": "U+001B",
    "a\x7f": "U+007F",
    "a\u0085b": "U+0085",
    "gpj.\u202eexe": "U+202E",
    "a\u2066b": "U+2066",
    "a\u200bb": "U+200B",
    "a\u200db": "U+200D",
    "\ufeffa": "U+FEFF",
    "a\u2028b": "U+2028",
    "a\u00adb": "U+00AD",
    "a\u3164b": "U+3164",
    "a\U000e0041b": "U+E0041",
    "a\udce4b": "not valid UTF-8",
}


@pytest.mark.parametrize(("path", "reason"), REFUSED.items(), ids=ascii)
def test_refused(path: str, reason: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_path(path)
    assert reason in str(caught.value)
    assert ascii(path) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "path",
    [
        *("a", ".hidden", "...", "a..b", "a b", " a", "a ", "a.", "-rf", "~", "$HOME", "%2e%2e%2f", "a;b#c?d", "NUL"),
        *("con.txt", "ü/ö.bin", "模型/权重.safetensors", "❤️.txt", "a:b", '"<>|*', "x" * 255, "/".join(["d" * 9] * 400)),
        "e\u0301",
    ],
    ids=ascii,
)
def test_accepted(path: str) -> None:
    assert check_path(path) == path


def test_long_paths_are_too_large() -> None:
    for path in ("x" * 256, "é" * 128, "/".join(["d" * 200] * 30)):
        with pytest.raises(TooLargeError):
            check_path(path)


@pytest.mark.parametrize(
    ("files", "directories"),
    [
        (["a", "a"], []),
        (["é", "e\u0301"], []),
        (["a", "a/b"], []),
        (["a/b/c", "a/b"], []),
        (["a"], ["a"]),
        (["a/b"], ["a"]),
        (["é/b", "e\u0301"], []),
        ([], ["a", "a/b"]),
    ],
    ids=repr,
)
def test_paths_that_collide(files: list[str], directories: list[str]) -> None:
    with pytest.raises(InvalidError):
        check_paths(files, directories)


def test_paths_that_do_not_collide() -> None:
    check_paths(["a/b", "a/c", "ab", "A", "a.b/c"], ["a/d", "b"])


def test_warnings() -> None:
    warnings = portability_warnings(
        ["Model.bin", "model.bin", "aux", "nul.txt", "com¹", "dir./x", "x ", "a:b", "ok", "ﬁle", "file"]
    )
    assert len(warnings) == 8
    assert "'model.bin' and 'Model.bin'" in warnings[0]


@given(st.text(max_size=30))
def test_what_is_accepted_is_harmless(path: str) -> None:
    try:
        check_path(path)
    except StemmaError:
        return
    assert path.encode()
    assert not path.startswith("/")
    assert "\\" not in path
    assert not {"", ".", ".."} & set(path.split("/"))
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in path)


@given(
    st.text(alphabet=string.ascii_letters + string.digits + "._- ()", min_size=1).filter(lambda text: text.strip("."))
)
def test_plain_names_are_accepted(name: str) -> None:
    assert check_path(name) == name
