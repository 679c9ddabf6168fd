#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Finds in a kernel log what must never be there.

The one place that knows what a splat looks like. Used by run-vm; also a
program: kernel_log.py LOG... prints the splats and fails if there are any.
"""

import argparse
import re
import sys

SPLATS = re.compile(
    r"\bWARNING:|\bBUG:|\bKASAN:|\bUBSAN:|\bKCSAN:|\bINFO: |\bOops\b|Kernel panic"
    r"|general protection|unable to handle|refcount_t:|sleeping function"
    r"|possible (?:circular|recursive|irq|deadlock)|suspicious RCU usage"
    r"|kmemleak: \d+ new suspected|ODEBUG:|list_(?:add|del) corruption"
    r"|Bad page state|bad page map|scheduling while atomic|held lock freed"
    r"|rcu_preempt detected|soft lockup|hung_task|invalid opcode"
    r"|Unknown kernel command line parameters.*(?:kunit|vfio|intel_iommu)")

# Said by a healthy kernel.
HARMLESS = re.compile(
    r"INFO: (?:lockdep is turned off)"
    r"|WARNING: (?:Spectre|Kernel (?:is )?tainted)"
    r"|\*\*.*\*\*$")


def splats(lines):
    """Yields (line number, text) of each line that reports a fault of the kernel."""
    for number, line in enumerate(lines, 1):
        if SPLATS.search(line) and not HARMLESS.search(line):
            yield number, line.rstrip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("log", nargs="+", help="file with a kernel log")
    args = parser.parse_args()
    found = False
    for name in args.log:
        with open(name, encoding="utf-8", errors="replace") as file:
            for number, text in splats(file):
                print(f"{name}:{number}: {text}")
                found = True
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
