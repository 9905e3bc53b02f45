#!/usr/bin/env bash
# Writes the King James Bible as plain text: verse labels stripped, one document a chapter, a blank line between documents.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: bible.sh OUTPUT" >&2; exit 2; }
# A line is "Ge1:1 In the beginning ...": the label names book, chapter and verse.
bible -f gen1:1-rev22:21 | awk '
  { chapter = $1; sub(/:[0-9]+$/, "", chapter); sub(/^[^ ]+ /, "")
    if (NR > 1 && chapter != previous) print ""
    previous = chapter; print }' > "$1.part"
mv "$1.part" "$1"
