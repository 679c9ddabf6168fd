# SPDX-License-Identifier: GPL-2.0-only
"""The table by which ACPI tells of the IOMMU in QEMU's "virt", in our own words.

QEMU's does not set CANWBS, "the system keeps all that devices of this PCI root do
coherent, whether they ask for it or not", which is true of QEMU. Without that or an
SMMU that enforces it (S2FWB, which QEMU does not model) the driver has no vIOMMUs.
A kernel with ACPI_TABLE_UPGRADE takes a table of the initramfs over one of the same
name whose revision is lower.

IO Remapping Table, Arm document DEN0049; addresses and interrupts as QEMU's
hw/arm/virt has them.
"""

import struct

PATH = "kernel/firmware/acpi/iort.aml"

# QEMU's name and QEMU's revision, 1, plus one
OEM = b"BOCHS ", b"BXPC    ", 2

SMMU_BASE = 0x9050000
EVENT, PAGE_REQUEST, SYNC, ERROR = 106, 107, 108, 109

ITS_GROUP, ROOT_COMPLEX, SMMU_V3 = 0, 2, 4
ALL_IDS = 0xffff
HEADER_SIZE, NODE_HEADER_SIZE = 48, 16

SMMU_IS_COHERENT = 1 << 0
ROOT_IS_COHERENT = 1
# Memory access flags: coherent, cacheable, and whatever they ask for: CANWBS
COHERENT, CACHEABLE, ALWAYS = 1 << 0, 1 << 1, 1 << 2


def node(kind, revision, number, body, output=None):
    """A node whose IDs, all of them, go to the node at offset output of the table."""
    end = NODE_HEADER_SIZE + len(body)
    mapping = b"" if output is None else struct.pack("<5I", 0, ALL_IDS, 0, output, 0)
    return struct.pack("<BHBIII", kind, end + len(mapping), revision, number,
                       bool(mapping), end if mapping else 0) + body + mapping


def table():
    its_at = HEADER_SIZE
    its = node(ITS_GROUP, 1, 0, struct.pack("<2I", 1, 0))
    smmu_at = its_at + len(its)
    smmu = node(SMMU_V3, 4, 1, struct.pack(
        "<QIIQ7I", SMMU_BASE, SMMU_IS_COHERENT, 0, 0, 0, EVENT, PAGE_REQUEST, ERROR, SYNC,
        0, 0), its_at)
    root = node(ROOT_COMPLEX, 3, 2, struct.pack(
        "<IBHBIIBHB", ROOT_IS_COHERENT, 0, 0, COHERENT | CACHEABLE | ALWAYS, 0, 0, 64, 0, 0),
        smmu_at)
    nodes = its + smmu + root
    text = struct.pack("<4sIBB6s8sI4sIIII", b"IORT", HEADER_SIZE + len(nodes), 3, 0, *OEM,
                       b"OURS", 1, 3, HEADER_SIZE, 0) + nodes
    checksum = -sum(text) & 0xff
    return text[:9] + bytes([checksum]) + text[10:]
