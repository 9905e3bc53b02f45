#!/usr/bin/env bash
# Installs what is missing, builds everything and runs all tests (lit, GoogleTest, end to end).
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build.sh
ctest --test-dir build --output-on-failure --parallel "$(nproc)" --timeout 900
