#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Prints services/mail/mime_fold_impl.h: simple case folding as ranges.

    python3 tests/tools/gen_mime_fold.py > services/mail/mime_fold_impl.h
"""
import unicodedata


def fold(cp):
    """Simple case folding (statuses C and S of CaseFolding.txt)."""
    for s in (chr(cp).casefold(), chr(cp).lower()):
        if len(s) == 1:
            return ord(s)
    return cp


def ranges():
    """(first, last, step, delta) of runs that fold by one delta, every code point or every other."""
    pairs = [(c, fold(c)) for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000]
    out = []
    for c, to in ((c, t) for c, t in pairs if c != t):
        delta = to - c
        if out:
            first, last, step, d = out[-1]
            if d == delta and c - last in (1, 2) and (first == last or step == c - last):
                out[-1] = (first, c, c - last, d)
                continue
        out.append((c, c, 1, delta))
    return out


def main():
    rows = ranges()
    print("/* SPDX-License-Identifier: ISC */")
    print("/* Written by tests/tools/gen_mime_fold.py from Unicode %s. */" % unicodedata.unidata_version)
    print("#ifndef SERVICES_MAIL_MIME_FOLD_IMPL_H\n#define SERVICES_MAIL_MIME_FOLD_IMPL_H\n")
    print("#include <stdint.h>\n")
    print("/* Every `step`-th code point from first to last folds to itself + delta. Sorted. */")
    print("static const struct {\n\tuint32_t first : 24, step : 8;\n\tuint32_t last;\n\tint32_t delta;\n} mime_folds[] = {")
    for first, last, step, delta in rows:
        print("\t{ 0x%x, %d, 0x%x, %d }," % (first, step, last, delta))
    print("};\n\n#endif")


main()
