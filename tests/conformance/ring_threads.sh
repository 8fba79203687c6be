#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# ring_threads.sh FUNCTIONS GOOD PLANTED...: ThreadSanitizer is silent about GOOD and finds the relaxed store in each
# PLANTED, in one of FUNCTIONS (a basic regular expression).
# setarch -R: gcc 12's ThreadSanitizer does not know how far new kernels randomise addresses.
set -eu
functions=$1 good=$2
shift 2
export TSAN_OPTIONS=exitcode=66:halt_on_error=1
report=$(mktemp)
trap 'rm -f "$report"' EXIT

if ! setarch -R "$good" 2>"$report"; then
	echo "all ends as threads:"
	head -40 "$report"
	exit 1
fi
for planted in "$@"; do
	status=0
	setarch -R "$planted" 2>"$report" || status=$?
	if [ "$status" != 66 ] || ! grep -q "WARNING: ThreadSanitizer: data race" "$report"; then
		echo "$planted: the relaxed store was not found (exit status $status):"
		head -40 "$report"
		exit 1
	fi
	grep -q "$functions" "$report" || { echo "$planted: a race, but elsewhere:"; head -40 "$report"; exit 1; }
	echo "silent without, and found with a relaxed store:"
	grep -m3 "data race\|#0\|#1" "$report"
done
