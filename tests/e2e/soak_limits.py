#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What test_limits.py does, for longer: each doc string names the breakage it catches."""
import random
import sys

import harness
import test_limits as limits


def ten_thousand_connections(estate):
    """A connection in a thousand leaves something behind."""
    limits.come_and_go(estate, 100)
    before = limits.settled(estate)
    limits.come_and_go(estate, 10_000)
    assert limits.settled(estate) - before < limits.MB
    limits.alive(estate)


def crowds_five_times(estate):
    """Memory after a crowd is a little more each time."""
    limits.crowd(estate, 200)
    before = limits.settled(estate)
    for _ in range(5):
        limits.crowd(estate, 200)
        after = limits.settled(estate)
        print(f"# memory {before >> 10} kB, then {after >> 10} kB")
    assert after - before < limits.MB


def large_appends(estate):
    """Two APPENDs of 25 MB need more memory than two of 8 MB."""
    limits.large_messages_at_once(estate, 25_000_000)


def ten_thousand_messages(estate):
    """A command over a whole mailbox needs memory for each message."""
    limits.many_messages(estate, 10_000)


def swept(estate):
    """Memory in use when the index has all rows: up to 2 MiB of them wait in memory otherwise."""
    estate.run("sweep", "mail")
    return limits.settled(estate)


def ten_minutes_of_hostility(estate):
    """A session in a thousand leaves something behind, whoever sends it: what is left grows with their number."""
    seed = random.randrange(1 << 32)
    print(f"# seed {seed}")
    limits.hostile(estate, 10, seed)
    seen = [swept(estate)]
    for n in (1, 2):
        sessions = limits.hostile(estate, 300, seed + n)
        seen.append(swept(estate))
        print(f"# {sessions} sessions; memory {seen[-2] >> 10} kB, then {seen[-1] >> 10} kB")
    # The first half fills caches and the mailbox's view; the second adds what got in, some 300 bytes a message.
    assert seen[2] - seen[1] < limits.MB and seen[2] - seen[0] < 2 * limits.MB, seen
    limits.alive(estate)


if __name__ == "__main__":
    longer = [ten_thousand_connections, crowds_five_times, large_appends, ten_thousand_messages, ten_minutes_of_hostility]
    sys.exit(harness.main(limits.TESTS, targets=("unix",), shared=True) | harness.main(longer, targets=("virt",), shared=True))
