#!/usr/bin/env bash
# Installs what is missing: the Debian packages of scripts/packages.txt, and Apache Arrow (for Parquet) out of the pyarrow
# wheel, into .venv. Does nothing where all is there. Without Arrow everything but Parquet works, so that failing to get it
# is only said.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mapfile -t wanted < <(grep -v '^#' "$here/packages.txt")
missing=()
for package in "${wanted[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "install.sh: these packages are missing and there is no sudo: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  echo "Installing ${#missing[@]} packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

arrow=pyarrow==26.0.1
venv=$here/../.venv
if ! compgen -G "$venv/lib/python3*/site-packages/${arrow/==/-}.dist-info" >/dev/null; then
  echo "Installing Apache Arrow ($arrow) into .venv"
  python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check "$arrow" ||
    echo "install.sh: Apache Arrow could not be installed: caa-run will not read Parquet" >&2
fi
