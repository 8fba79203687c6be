# SPDX-License-Identifier: BSD-3-Clause
"""
Changes that a person makes, under 2,000 connections of every kind: no connection whose backend lives breaks.
Windows are seconds instead of an hour.
"""

from scenario import scenario
from traffic import WINDOW_S, Killer, Traffic

FAMILIES, MODES = (4, 6), ("l2", "ipip")


@scenario(timeout=60, family=FAMILIES, mode=MODES)
def nothing_changes(test):
    """2,000 connections of every kind live through three windows in which sluiced is killed again and again."""
    traffic = Traffic(test, test.lab(nginx=False))
    traffic.start()
    with Killer(traffic):
        traffic.pause(3)
    begun = traffic.end()
    test.check(begun > 2000, f"only {begun} connections were begun")
    shares = traffic.by_backend()
    test.check(all(shares[host] > 300 for host in traffic.weights), f"unequal shares: {dict(shares)}")
