#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""What test_import.py does with a tenth on the emulated machine: 20,000 items in one file."""
import sys

import test_import
from harness import main


def many(e):
    # Breakage: an import whose memory or time grows with what was imported before.
    test_import.many(e, test_import.EVENTS)


if __name__ == "__main__":
    sys.exit(main([many], targets=("virt",), services=("calendar", "contacts")))
