# SPDX-License-Identifier: GPL-2.0-only
"""What profile-plugin.c counted, by function and by who called it."""

import bisect
import collections
import pathlib
import re
import subprocess

USER_SPACE = "[user space]"
# A branch of the tree that has less is not shown, nor is a function in the list.
LEAST_SHARE = 0.005


class Symbols:
    """The functions of a kernel."""

    def __init__(self, system_map):
        names = {}
        for line in system_map.read_text().splitlines():
            address, kind, name = line.split()
            if kind in "tTwW" and not name.startswith(("__pfx_", ".L")):
                names.setdefault(int(address, 16), name)
        self.addresses = sorted(names)
        self.names = [names[address] for address in self.addresses]

    def name(self, address):
        if address < 1 << 63:
            return USER_SPACE
        place = bisect.bisect_right(self.addresses, address) - 1
        return self.names[place] if place >= 0 else hex(address)


    def is_entry(self, address):
        """Of exceptions, interrupts, system calls."""
        return self.name(address).startswith(("asm_exc_", "asm_sysvec_", "asm_common_interrupt",
                                              "asm_spurious_", "entry_SYSCALL_64")) \
            and "_SYSCALL_64_" not in self.name(address)


def build_plugin(source, marks, folder):
    plugin = folder / "profile-plugin.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", f"-I{marks}", "-o", plugin, source],
                   check=True)
    return plugin


def read_counts(path):
    """By kind: stretches, {address: count}, [(depth, address, calls, count)]."""
    stretches, instructions, nodes = {}, {}, {}
    for line in path.read_text().splitlines():
        what, kind, *rest = line.split()
        kind = int(kind)
        if what == "kind":
            stretches[kind] = int(rest[0])
            instructions[kind], nodes[kind] = {}, []
        elif what == "insn":
            instructions[kind][int(rest[0], 16)] = int(rest[1])
        elif what == "node":
            nodes[kind].append((int(rest[0]), int(rest[1], 16), int(rest[2]), int(rest[3])))
    return stretches, instructions, nodes


def with_totals(nodes):
    """Adds to each node what it and all below it have."""
    totals = [count for _, _, _, count in nodes]
    parents = []
    for place, (depth, _, _, count) in enumerate(nodes):
        del parents[depth:]
        for parent in parents:
            totals[parent] += count
        parents.append(place)
    return [(*node, total) for node, total in zip(nodes, totals)]


class Profile:
    """One operation of a case."""

    def __init__(self, symbols, stretches, instructions, nodes, divisor):
        self.symbols = symbols
        self.instructions = instructions
        self.nodes = with_totals(nodes)
        # from what was counted in all stretches to what the table shows
        self.divisor = stretches * divisor
        self.total = sum(count for address, count in instructions.items() if address >> 63)

    def functions(self):
        sums = collections.Counter()
        for address, count in self.instructions.items():
            if address >> 63:
                sums[self.symbols.name(address)] += count
        return sums.most_common()

    def calls(self):
        sums = collections.Counter()
        for _, address, calls, _, _ in self.nodes:
            sums[self.symbols.name(address)] += calls
        return sums

    def print_functions(self):
        calls = self.calls()
        print(f"  {'itself':>12} {'share':>7} {'calls':>10}  function")
        for name, count in self.functions():
            if count < LEAST_SHARE * self.total:
                break
            print(f"  {count / self.divisor:12,.2f} {count / self.total:7.1%}"
                  f" {calls[name] / self.divisor:10,.3f}  {name}")
        print(f"  {self.total / self.divisor:12,.2f} {'100.0%':>7}")

    def print_tree(self):
        print(f"  {'with callees':>12} {'itself':>12} {'calls':>10}  called")
        for depth, address, calls, count, total in self.nodes:
            if depth and total >= LEAST_SHARE * self.total:
                print(f"  {total / self.divisor:12,.2f} {count / self.divisor:12,.2f}"
                      f" {calls / self.divisor:10,.3f}  "
                      + "  " * (depth - 1) + self.symbols.name(address))

    def print_code(self, vmlinux, function):
        """The function's instructions, each with how often it was executed."""
        text = subprocess.run(["objdump", "--disassemble=" + function, "--no-show-raw-insn", vmlinux],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        for line in text.splitlines():
            match = re.match(r"^(ffffffff[0-9a-f]{8}):\s*(.*)", line)
            if match:
                count = self.instructions.get(int(match[1], 16), 0) / self.divisor
                print(f"  {count:12,.3f}  {match[1]}  {match[2]}")


def plugin_arguments(plugin, symbols, folder):
    """What makes QEMU count; the counts are in FOLDER/counts afterwards."""
    functions = folder / "functions"
    functions.write_text("".join(f"{address:x} {int(symbols.is_entry(address))}\n" for address in symbols.addresses))
    return ["--qemu=-plugin", f"--qemu={plugin},out={folder}/counts,functions={functions}"]


def processors_arguments(plugin, folder):
    """The same, for each processor and not by where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    return ["--qemu=-plugin", f"--qemu={plugin},out={folder}/counts,processors=on"]


def read_processors(folder):
    """What each processor has executed, for each stretch that was kept."""
    lines = (line.split() for line in (folder / "counts").read_text().splitlines())
    return [[int(count) for count in line[2:]] for line in lines]


def profiles(symbols, folder, divisors):
    """One for each operation of the case, None where nothing was counted."""
    stretches, instructions, nodes = read_counts(folder / "counts")
    return [Profile(symbols, stretches[kind], instructions[kind], nodes[kind], divisor)
            if stretches.get(kind) else None for kind, divisor in enumerate(divisors)]
