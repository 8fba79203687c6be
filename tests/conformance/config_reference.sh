#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# docs/configuration.md is what the table of keys says: config_reference.sh PROGRAM SOURCE [--write]
set -eu
page="$2/docs/configuration.md"
made=$(mktemp)
trap 'rm -f "$made"' EXIT
"$1" "$2/docs/examples/short.yaml" "$2/docs/examples/full.yaml" >"$made"
if [ "${3:-}" = --write ]; then
	cp "$made" "$page"
	chmod 644 "$page"
elif ! diff -u "$page" "$made"; then
	echo "docs/configuration.md is not what controlplane/config_keys.c says: ninja docs-configuration" >&2
	exit 1
fi
