#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A few kills and power cuts of the appliance; soak_crash.py does many."""
import sys

import crash
import harness


def killed_at_random_moments(estate):
    """Breakage: an answer leaves before its commit group is written."""
    crash.kills(estate, 3)


@harness.stopped
def power_cut_at_random_moments(estate):
    """Breakage: the flush of a commit group is left out."""
    crash.cuts(estate, 16, seconds=4)


@harness.stopped
def power_cut_in_a_sweep(estate):
    """Breakage: a sweep forgets what is still wanted, or stops half way and the store does not open.

    Units that were freed are not written again in so short a run: the tests of the store do that."""
    with crash.SweptEstate(estate.target, start=False) as small:
        crash.cuts(small, 24, seconds=5, sweeping=True)


sys.exit(harness.main([killed_at_random_moments, power_cut_at_random_moments, power_cut_in_a_sweep], targets=("virt",)))
