#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# ring_threads.sh GOOD PLANTED: ThreadSanitizer is silent about GOOD and finds the relaxed store in PLANTED.
# setarch -R: gcc 12's ThreadSanitizer does not know how far new kernels randomise addresses.
set -eu
good=$1 planted=$2
export TSAN_OPTIONS=exitcode=66:halt_on_error=1
report=$(mktemp)
trap 'rm -f "$report"' EXIT

if ! setarch -R "$good" 2>"$report"; then
	echo "both ends as threads:"
	head -40 "$report"
	exit 1
fi
status=0
setarch -R "$planted" 2>"$report" || status=$?
if [ "$status" != 66 ] || ! grep -q "WARNING: ThreadSanitizer: data race" "$report"; then
	echo "the planted relaxed store was not found (exit status $status):"
	head -40 "$report"
	exit 1
fi
grep -q "sl_ring_take\|take_record\|feed_poll\|take_reports" "$report" || { echo "a race, but not in the ring:"; head -40 "$report"; exit 1; }
echo "silent without, and found with a relaxed store:"
grep -m3 "data race\|#0\|#1" "$report"
