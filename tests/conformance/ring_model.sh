#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Checks ring.pml with spin: every interleaving of the protocol holds, and each broken variant is caught.
# SLUICE_TEST_LONG adds larger searches, SLUICE_TEST_QUICK leaves the largest of the usual ones out. Exit status 77: spin is not installed.
set -eu
model=$(dirname "$(realpath "$0")")/ring.pml
command -v spin >/dev/null || { echo "skipped: spin is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# search DEFINES...: prints pan's output; fails only when pan cannot be made or its search is cut off
search() {
	spin -a "$@" "$model" >/dev/null
	cc -O1 -w -DSAFETY -DCOLLAPSE -o pan pan.c
	./pan -m20000 >out 2>&1 || true
	if grep -q "max search depth too small\|out of memory" out; then
		echo "the search was cut off:"
		cat out
		exit 1
	fi
}

holds() {
	search "$@"
	grep -q "errors: 0" out || { echo "broken with $*:"; cat out; exit 1; }
	echo "holds: $* ($(sed -n 's/^ *\([0-9]*\) states, stored.*/\1 states/p' out))"
}

fails() {
	search "$@"
	grep -q "errors: 1" out || { echo "not caught: $*"; cat out; exit 1; }
	echo "caught: $* $(grep -m1 '^pan:1' out)"
}

if [ -z "${SLUICE_TEST_QUICK:-}" ]; then
	holds -DCHANGES=2 -DCONSUMER_KILLS=1 -DPRODUCER_KILLS=0
fi
holds -DCHANGES=1 -DCONSUMER_KILLS=0 -DPRODUCER_KILLS=1
holds -DCHANGES=0 -DCONSUMER_KILLS=1 -DPRODUCER_KILLS=1
if [ -n "${SLUICE_TEST_LONG:-}" ]; then
	holds -DCHANGES=1 -DCONSUMER_KILLS=1 -DPRODUCER_KILLS=1
	holds -DCHANGES=1 -DCONSUMER_KILLS=0 -DPRODUCER_KILLS=2
	holds -DCHANGES=1 -DCONSUMER_KILLS=2 -DPRODUCER_KILLS=0
	holds -DCHANGES=2 -DCONSUMER_KILLS=2 -DPRODUCER_KILLS=0
fi
fails -DBREAK_ORDER -DCHANGES=0 -DCONSUMER_KILLS=0 -DPRODUCER_KILLS=0
fails -DBREAK_ROOM -DCHANGES=1 -DCONSUMER_KILLS=0 -DPRODUCER_KILLS=0
fails -DBREAK_RESET -DCHANGES=1 -DCONSUMER_KILLS=1 -DPRODUCER_KILLS=0
fails -DBREAK_REPLAY -DCHANGES=1 -DCONSUMER_KILLS=1 -DPRODUCER_KILLS=0
fails -DBREAK_SWITCH -DCHANGES=0 -DCONSUMER_KILLS=0 -DPRODUCER_KILLS=1
