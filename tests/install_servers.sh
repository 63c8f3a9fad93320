#!/bin/sh
# Installs the programs that tests start and that pip cannot bring, where they are missing.
set -eu

has_postgresql() { command -v postgres >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
has_setpriv() { command -v setpriv >/dev/null 2>&1; }

missing=""
has_postgresql || missing="$missing postgresql"
has_setpriv || missing="$missing util-linux"
test -n "$missing" || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "The tests need$missing, and there is no apt-get here to install it with. Install PostgreSQL 14 or newer" >&2
  echo "(its 'postgres' and 'initdb' must be on PATH, or in /usr/lib/postgresql/*/bin), then try again." >&2
  exit 1
fi
as_root=""
if test "$(id -u)" -ne 0; then
  if ! command -v sudo >/dev/null 2>&1 || ! sudo -n true 2>/dev/null; then
    echo "The tests need$missing, which only root can install: apt-get install$missing" >&2
    exit 1
  fi
  as_root="sudo -n"
fi
echo "Installing$missing for the tests ..."
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # both hold several words
$as_root apt-get update -qq && $as_root apt-get install -qq -y --no-install-recommends $missing >/dev/null
