#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Kills and power cuts of the appliance, many of them."""
import sys

import crash
import harness


def sixty_kills(estate):
    crash.kills(estate, 60)


@harness.stopped
def two_hundred_power_cuts(estate):
    crash.cuts(estate, 200, seconds=30)


@harness.stopped
def kills_and_power_cuts_in_sweeps(estate):
    """Breakage: as power_cut_in_a_sweep of test_crash.py, rarer; a sweep that was killed keeps the next from running."""
    for _ in range(5):
        with crash.SweptEstate(estate.target, start=False) as small:
            crash.cuts(small, 40, seconds=5, sweeping=True)
        with crash.SweptEstate(estate.target) as small:
            crash.kills(small, 3, sweeping=True)


sys.exit(harness.main([sixty_kills, two_hundred_power_cuts, kills_and_power_cuts_in_sweeps], targets=("virt",)))
