"""What `/openapi.json` says of the routes of bytes, which no operation describes."""

from typing import Any

Json = dict[str, Any]
_UPLOAD: Json = {
    "name": "upload",
    "in": "path",
    "required": True,
    "description": "The upload session, one of the caller's own.",
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}
_DIGEST: Json = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_PACK: Json = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_SIZE: Json = {"type": "integer", "minimum": 0}
_BINARY: Json = {"application/octet-stream": {}}
_IDS = "32 bytes each, one behind the other, at most 16,384: ids of blocks (BLAKE3), or of files (SHA-256)."


def _answer(description: str, properties: Json) -> Json:
    schema = {"type": "object", "properties": properties}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


_COMMITTED: Json = {
    "manifest": {**_DIGEST, "type": ["string", "null"]},
    "checked": _SIZE,
    "size": _SIZE,
}
_COMMITS: Json = {
    "200": _answer("All is checked and published: the digest of the manifest.", _COMMITTED),
    "202": _answer("It goes on: how many of how many bytes are checked. Ask again.", _COMMITTED),
}
SEND: Json = {
    "summary": "Append to a pack of an upload.",
    "description": "The body is what follows the first `offset` bytes. Where another number is there, nothing is "
    "written, and the 409 says it in `Upload-Offset`.",
    "tags": ["upload"],
    "parameters": [
        _UPLOAD,
        {"name": "pack", "in": "path", "required": True, "schema": _PACK},
        {"name": "offset", "in": "query", "required": True, "schema": _SIZE},
    ],
    "requestBody": {"required": True, "content": _BINARY},
    "responses": {"200": _answer("How many bytes of the pack are there.", {"received": _SIZE})},
}
KNOWN: Json = {
    "summary": "Tell which blocks or files need not be sent.",
    "description": "Only what stands in namespaces that the caller can read is known.",
    "tags": ["upload"],
    "parameters": [
        _UPLOAD,
        {"name": "kind", "in": "query", "required": True, "schema": {"enum": ["blocks", "files"]}},
    ],
    "requestBody": {"required": True, "description": _IDS, "content": _BINARY},
    "responses": {"200": {"description": "For each id one byte: 1 where it is known, else 0.", "content": _BINARY}},
}
COMMIT: Json = {
    "summary": "Check the packs of an upload and publish them with the folder that they make.",
    "tags": ["upload"],
    "parameters": [_UPLOAD],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["packs", "files"],
                    "additionalProperties": False,
                    "properties": {
                        "packs": {"type": "array", "items": _PACK},
                        "files": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["path", "size", "digest"],
                                "additionalProperties": False,
                                "properties": {
                                    "path": {"type": "string"},
                                    "size": _SIZE,
                                    "digest": _DIGEST,
                                    "executable": {"type": "boolean", "default": False},
                                },
                            },
                        },
                        "directories": {"type": "array", "items": {"type": "string"}},
                    },
                }
            }
        },
    },
    "responses": _COMMITS,
}
FOLLOW: Json = {
    "summary": "Tell how far a commit is.",
    "tags": ["upload"],
    "parameters": [_UPLOAD],
    "responses": _COMMITS,
}
CONTENT: Json = {
    "summary": "Give the content of one file of a version.",
    "description": "The entity tag is the file's SHA-256. `Range` may ask for up to 16 ranges of bytes.",
    "tags": ["content"],
    "parameters": [
        {"name": "reference", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "path", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "Range", "in": "header", "schema": {"type": "string"}},
    ],
    "responses": {
        "200": {"description": "All of it.", "content": _BINARY},
        "206": {"description": "The ranges that were asked for.", "content": {**_BINARY, "multipart/byteranges": {}}},
        "304": {"description": "As `If-None-Match` says, the caller has it."},
    },
}
