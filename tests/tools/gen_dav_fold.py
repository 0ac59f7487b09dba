#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Prints services/dav/match_fold_impl.h: what small letters are made of.

    python3 tests/tools/gen_dav_fold.py > services/dav/match_fold_impl.h
"""
import unicodedata

BLOCKS = ((0xc0, 0x180), (0x390, 0x3d0), (0x400, 0x460))  # Latin, Greek, Cyrillic; more is more bytes in every image
GAP = 16  # between two rows of a run


def parts(cp):
    """The two of a canonical decomposition, not decomposed any further; or none."""
    if chr(cp).lower() != chr(cp) and cp != 0x130:
        return ()
    two = unicodedata.decomposition(chr(cp)).split()
    return tuple(ord(chr(int(p, 16)).lower()) for p in two) if len(two) == 2 and not two[0].startswith("<") else ()


def words(values):
    for i in range(0, len(values), 10):
        print("\t" + " ".join(f"0x{v:04x}," for v in values[i:i + 10]))


def main():
    rows = [(cp, *parts(cp)) for first, end in BLOCKS for cp in range(first, end) if parts(cp)]
    bases, marks = sorted({r[1] for r in rows}), sorted({r[2] for r in rows})
    assert len(bases) <= 128 and len(marks) <= 32 and all(0x300 <= m < 0x400 for m in marks)
    runs, packed, last = [], [], -GAP
    for i, (cp, base, mark) in enumerate(rows):
        step = cp - last - 1
        if step >= GAP:
            runs.append((cp, i))
            step = 0
        packed.append(bases.index(base) | marks.index(mark) << 7 | step << 12)
        last = cp
    print("/* SPDX-License-Identifier: ISC */")
    print(f"/* Written by tests/tools/gen_dav_fold.py from Unicode {unicodedata.unidata_version}. */")
    print("#ifndef SERVICES_DAV_MATCH_FOLD_IMPL_H\n#define SERVICES_DAV_MATCH_FOLD_IMPL_H\n\n#include <stdint.h>\n")
    print("/* clang-format off */")
    print("/* By bits: 7 which base, 5 which mark, 4 how many are between it and the one before in its run. */")
    print("static const uint16_t fold_rows[] = {")
    words(packed)
    print("};\nstatic const struct {\n\tuint16_t first, row;\n} fold_runs[] = {")
    for first, row in runs:
        print(f"\t{{ 0x{first:x}, {row} }},")
    print("};\nstatic const uint16_t fold_bases[] = {")
    words(bases)
    print("};\nstatic const uint8_t fold_marks[] = { /* behind U+0300 */")
    words([m - 0x300 for m in marks])
    print("};\n/* clang-format on */\n\n#endif")


main()
