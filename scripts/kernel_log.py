#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Finds in a kernel log what must never be there.

The one place that knows what a splat looks like. Used by run-vm; also a
program: kernel_log.py LOG... prints the splats and fails if there are any.
"""

import argparse
import glob
import re
import subprocess
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


RACE = re.compile(r"BUG: KCSAN: data-race in (.*)")
RACE_END = re.compile(r"={20,}$")
# The first line of each of the one or two stacks of a race.
ACCESS = re.compile(r" of \d+ bytes by ")
FRAME = re.compile(r"\]  (?:<\w+> )?(?:\? )?([\w.]+)\+0x[0-9a-f]+/0x[0-9a-f]+")
# What an access is made by when it is made for its caller, in frames
DEPTH = 3


def functions_of(folder):
    """The names of all functions of the objects below a folder of a build."""
    objects = glob.glob(f"{folder}/**/*.o", recursive=True)
    if not objects:
        return set()
    symbols = subprocess.run(["nm", "--defined-only", *objects], check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    fields = (line.split() for line in symbols.splitlines())
    return {field[2] for field in fields if len(field) == 3 and field[1] in "tTwW"}


def bare(function):
    """The name in the source of what the compiler may have made a variant of."""
    return function.partition(".")[0]


def is_race_of(report, ours):
    """Does KCSAN's report, a list of lines, concern one of these functions?

    It does when one made one of the accesses; or when all accesses were made for
    one of them by something it called, such as an operation on a list.
    """
    title = RACE.search(report[0]).group(1)
    if any(bare(name) in ours for name in re.findall(r"[\w.]+", title)):
        return True
    stacks = []
    for line in report[1:]:
        frame = FRAME.search(line)
        if ACCESS.search(line):
            stacks.append([])
        elif frame and stacks:
            stacks[-1].append(bare(frame.group(1)))
    stacks = [stack for stack in stacks if stack]
    return bool(stacks) and all(ours.intersection(stack[:DEPTH]) for stack in stacks)


def foreign_races(lines, ours):
    """The numbers of the lines at which reports of races begin that are not ours."""
    numbers = set()
    for start, line in enumerate(lines):
        if not RACE.search(line):
            continue
        end = start
        while end < len(lines) and not RACE_END.search(lines[end].rstrip()):
            end += 1
        if not is_race_of(lines[start:end], ours):
            numbers.add(start + 1)
    return numbers


def splats(lines, ours=None):
    """Yields (line number, text) of each line that reports a fault of the kernel.

    Data races count only if they concern the functions named in the set ours, if
    it is given.
    """
    lines = list(lines)
    foreign = foreign_races(lines, ours) if ours is not None else set()
    for number, line in enumerate(lines, 1):
        if SPLATS.search(line) and not HARMLESS.search(line) and number not in foreign:
            yield number, line.rstrip()


# What the base itself complains of now and then when the host is busy, though nothing of
# ours has run: the line, a function in the stack below it, and the reason.
STUMBLES = (
    (re.compile(r"KASAN: .* in do_raw_spin_lock"), "identify_cpu",
     "an interrupt came before the base had set up what it needs"),
    (re.compile(r"WARNING: .*\bhrtimer_forward\b"), "dl_task_timer",
     "the timer of the scheduler's deadline server came too late"),
    (re.compile(r"NULL pointer dereference|general protection fault"), "mask_ioapic_irq",
     "a tick came before the base had set up the whole IO-APIC"),
)
# How long a report may be, in lines
REPORT = 40


def stumble(lines):
    """Why the base's first complaint can be overlooked and all be tried again, or None."""
    lines = list(lines)
    for number, text in splats(lines):
        stack = "\n".join(lines[number:number + REPORT])
        for line, function, reason in STUMBLES:
            if line.search(text) and re.search(rf"\b{function}\+0x", stack):
                return reason
        return None
    return None


# The base learns by loops how fast the clocks of a PC are. When the host runs something
# else in between it may believe one that is wrong by any factor: then all limits of time
# are, or ticks come so seldom, or so often, that nothing gets on.
TSC_MISJUDGED = re.compile(r"tsc: PIT calibration deviates from \w+: \d+ (\d+)")
APIC_TIMER = re.compile(r"APIC delta adjusted to PM-Timer: (\d+)")
APIC_TIMER_QEMU = 6_250_000  # a tenth of a second of QEMU's timer, which runs at 62.5 MHz


def wrong_clock(lines):
    """Which clock of the VM's is wrong, and kernel parameters against it; or None, ""."""
    for line in lines:
        tsc = TSC_MISJUDGED.search(line)
        if tsc:
            return "the time stamp counter", f"tsc_early_khz={tsc.group(1)}"
        timer = APIC_TIMER.search(line)
        if timer and abs(int(timer.group(1)) / APIC_TIMER_QEMU - 1) > 0.02:
            return "the timer of the APIC", ""
    return None, ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("log", nargs="+", help="file with a kernel log")
    parser.add_argument("--races-in", metavar="FOLDER",
                        help="of a build: only data races of its functions count")
    args = parser.parse_args()
    ours = functions_of(args.races_in) if args.races_in else None
    found = False
    for name in args.log:
        with open(name, encoding="utf-8", errors="replace") as file:
            for number, text in splats(file, ours):
                print(f"{name}:{number}: {text}")
                found = True
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
