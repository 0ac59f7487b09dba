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


sys.exit(harness.main([sixty_kills, two_hundred_power_cuts], targets=("virt",)))
