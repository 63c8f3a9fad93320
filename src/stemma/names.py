"""Names and references: what people type to say which model, which version, which build.

`namespace/name[@SELECTOR][?target=TARGET]`. Names are lower case so that every protocol can carry them; a
foreign spelling is kept elsewhere, as a title. `parse` and `str` are inverses on everything that parses,
but for the default namespace `me/`, which is printed. Parsing does no look-up.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Self, TypeAlias

from stemma.errors import InvalidError
from stemma.records import Digest
from stemma.semver import Range, SemanticVersion, is_range

DEFAULT_NAMESPACE = "me"
SYSTEM_NAMESPACE = "_system"
EVERY_LOG = "*"
"""Stands for the logs of all namespaces where one says which are to be locked."""
MAX_NAME = 63
MAX_REFERENCE = 512
RESERVED = frozenset({"latest", "head", "none", "all", "me", "self", "version", "versions", "git"})
_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", re.ASCII)
_SEQUENCE = re.compile(r"v?(?:[1-9]\d{0,11})", re.ASCII)
_NUMBERED = re.compile(r"v\d+\.\d.*|[xv.\d]+", re.ASCII)
_PREFIX = re.compile(r"sha256:[0-9a-f]{8,63}", re.ASCII)
_ALIAS_HINT = (
    "Use lower-case letters and digits, joined by single '.', '_' or '-', and at least one letter "
    "in front; 'latest', numbers, versions and ranges are taken."
)


def check_name(text: str, what: str) -> str:
    """Return `text` if it is a name; else raise an InvalidError that says what a `what` may be called."""
    if not _NAME.fullmatch(text) or len(text) > MAX_NAME:
        hint = f"Use lower-case letters and digits, joined by single '.', '_' or '-', at most {MAX_NAME} characters."
        suggestion = suggest_name(text)
        raise InvalidError(
            f"{text[:80]!r} is not a name for {_with_article(what)}",
            hint=f"{hint} For example: {suggestion}" if suggestion else hint,
        )
    return text


def suggest_name(text: str) -> str:
    """Return the nearest valid name to `text`, or an empty string where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", text[:1000]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:MAX_NAME].strip("-")


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"


def check_pointer(text: str, what: str = "alias") -> str:
    """Return `text` if it can name an alias or a branch: a name that no other selector could be."""
    check_name(text, what)
    if text in RESERVED or not text[0].isalpha() or _NUMBERED.fullmatch(text):
        raise InvalidError(f"{text!r} cannot name {_with_article(what)}", hint=_ALIAS_HINT)
    return text


@dataclass(frozen=True, slots=True, order=True)
class ModelName:
    """`namespace/name`."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `namespace/name`, or `name` alone for `me/name`."""
        namespace, slash, name = text.rpartition("/")
        if slash and not namespace:
            check_name(namespace, "namespace")
        if "/" in namespace:
            raise InvalidError(
                f"{text[:80]!r} has more than one '/'", hint="A model is 'namespace/name', one level each."
            )
        return cls(
            check_name(namespace, "namespace") if slash else DEFAULT_NAMESPACE,
            check_name(name, "model"),
        )

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Sequence:
    """`v7` or `7`: the seventh version registered under the model."""

    number: int

    def __str__(self) -> str:
        return f"v{self.number}"


@dataclass(frozen=True, slots=True)
class Pointer:
    """The name of an alias or of a branch; the two share one set of names."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class DigestPrefix:
    """`sha256:` and at least eight hex digits of a version's digest."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest version on `main` that is not withdrawn."""

    def __str__(self) -> str:
        return "latest"


Selector: TypeAlias = SemanticVersion | Range | Sequence | Pointer | Digest | DigestPrefix | Latest


def parse_selector(text: str) -> Selector:
    """Read what stands behind the `@`; ambiguous and empty selectors are an InvalidError with suggestions."""
    if not text:
        raise InvalidError(
            "the selector behind '@' is empty",
            hint="A shell takes '>' and '*' for itself: quote the reference, or use --range.",
        )
    if text == "latest":
        return Latest()
    if text.startswith("sha256:"):
        return DigestPrefix(text) if _PREFIX.fullmatch(text) else Digest.parse(text)
    if _SEQUENCE.fullmatch(text):
        return Sequence(int(text.removeprefix("v")))
    if is_range(text):
        return Range.parse(text)
    if text[0].isdigit():
        return _parse_number(text)
    if text[0] == "v" and _NUMBERED.fullmatch(text):
        raise InvalidError(
            f"'@{text}' is not a selector", hint=f"Leave out the 'v': '@{text[1:]}'. '@v7' is the seventh."
        )
    return Pointer(check_pointer(text, "alias or branch"))


def _parse_number(text: str) -> Selector:
    if re.fullmatch(r"\d+\.\d+", text, re.ASCII):
        raise InvalidError(
            f"'@{text}' could mean one number or a range",
            hint=f"Write '@{text}.0' for that version, '@~{text}' or '@^{text}' for a range.",
        )
    return SemanticVersion.parse(text)


@dataclass(frozen=True, slots=True)
class Reference:
    """A model and, perhaps, which version of it and which build of that version."""

    model: ModelName
    selector: Selector | None = None
    target: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `namespace/name[@SELECTOR][?target=TARGET]`; anything else is an InvalidError."""
        if len(text) > MAX_REFERENCE:
            raise InvalidError(
                f"a reference has at most {MAX_REFERENCE} characters, not {len(text)}",
                hint="Write namespace/name[@SELECTOR][?target=TARGET].",
            )
        body, question, query = text.partition("?")
        model, at, selector = body.partition("@")
        target = None
        if question:
            if not query.startswith("target="):
                raise InvalidError(
                    f"{query[:80]!r} is not understood behind '?'", hint="Only '?target=NAME' may follow."
                )
            target = check_name(query.removeprefix("target="), "target")
        return cls(ModelName.parse(model), parse_selector(selector) if at else None, target)

    def __str__(self) -> str:
        selector = "" if self.selector is None else f"@{self.selector}"
        return f"{self.model}{selector}" + (f"?target={self.target}" if self.target else "")
