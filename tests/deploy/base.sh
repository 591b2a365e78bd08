#!/usr/bin/env bash
# Makes what stands in for python:3.x-slim where Docker Hub is out of reach, for tests only:
#
#     bash tests/deploy/base.sh ARCHIVE
#
# A tar archive of Debian with its own Python, for `docker import`. One that is there already stays.
set -euo pipefail

archive=${1:?usage: base.sh ARCHIVE}
[[ ! -e $archive ]] || exit 0
mkdir -p "$(dirname "$archive")"
draft=$archive.$$.tar
trap 'rm -f "$draft"' EXIT
mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$draft"
mv "$draft" "$archive"
