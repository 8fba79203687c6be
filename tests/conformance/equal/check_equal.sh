#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A million packets, in haste a tenth of that, with time twenty millions; tools/check's seed, or the clock's. Usage: check_equal.sh EQUAL
packets=1000000
[ -n "$SLUICE_TEST_QUICK" ] && packets=100000
[ -n "$SLUICE_TEST_LONG" ] && packets=20000000
exec "$1" --packets "$packets" ${SLUICE_TEST_SEED:+--seed "$SLUICE_TEST_SEED"} --keep "$(dirname "$1")/difference"
