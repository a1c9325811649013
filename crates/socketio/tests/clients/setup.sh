#!/bin/sh
# Installs the clients that the tests drive, next to them.
set -eu
cd "$(dirname "$0")"
npm ci --no-audit --no-fund
test -x .venv/bin/python || python3 -m venv .venv
.venv/bin/pip install --quiet -r requirements.txt
