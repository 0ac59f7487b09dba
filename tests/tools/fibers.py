# SPDX-License-Identifier: ISC
"""gdb: `fibers` lists every fiber with where it waits; `fibers bt` gives whole backtraces.

os_fiber_switch saved, from the fiber's stack pointer up: MXCSR and x87 control word, r15 r14 r13 r12 rbx rbp,
the return address. A waiting fiber's chain of frames starts at that rbp.
"""
import gdb  # pylint: disable=import-error


def frames(sp, limit):
    word = gdb.lookup_type("unsigned long")

    def at(address):
        return int(gdb.Value(address).cast(word.pointer()).dereference())

    bp, pc = at(sp + 48), at(sp + 56)
    while pc and limit:
        yield pc
        if not bp:
            return
        limit, pc, bp = limit - 1, at(bp + 8), at(bp)


def place(pc):
    line = gdb.find_pc_line(pc - 1)
    function = gdb.execute(f"info symbol {pc - 1:#x}", to_string=True).split(" in section")[0]
    return f"{function}  {line.symtab.filename}:{line.line}" if line.symtab else function


class Fibers(gdb.Command):
    def __init__(self):
        super().__init__("fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        sched = gdb.parse_and_eval("'fiber.c'::sched")
        fiber = sched["all"]
        while fiber:
            name = fiber["name"].string()
            if fiber == sched["current"]:
                print(f"* {name} (sid {int(fiber['sid'])}): running")
            else:
                where = [place(pc) for pc in frames(int(fiber["sp"]), 40)]
                if argument != "bt":  # where its own code stands, not the scheduler's
                    where = [w for w in where if not w.startswith(("os_", "switch_to_"))][:2]
                print(f"  {name} (sid {int(fiber['sid'])})")
                for w in where:
                    print(f"      {w}")
            fiber = fiber["all_next"]


Fibers()
