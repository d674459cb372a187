# SPDX-License-Identifier: MIT
"""Firmware for the stories: images that are as they should be, and some that are not.

    images.good_bin(size, seed)      what the boot ROM would start
    images.good_uf2(size, seed)      the same, wrapped as UF2
    images.rp2350_bin(size, seed)    the same for an RP2350, also as rp2350_uf2(size, seed)
    images.WRONG["bad-boot2-crc"]()  one of the wrong ones, each with exactly one fault

The same seed gives the same bytes on every machine. As a program: images.py NAME FILE [SIZE [SEED]].
"""
import random
import struct
import sys

FLASH_START = 0x10000000
PAGE = 256
SECTOR = 4096
BOOT2_BYTES = 252
STACK_TOP = 0x20042000
RESET_HANDLER = 0x10000200 | 1  # the lowest bit means Thumb code
VECTOR_COUNT = 48

UF2_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
UF2_FAMILY_PRESENT = 0x2000
FAMILY_RP2040 = 0xE48BFF56
FAMILY_ABSOLUTE = 0xE48BFF57
FAMILY_RP2350_ARM = 0xE48BFF59
FAMILY_RP2350_RISCV = 0xE48BFF5A

BLOCK_START = 0xFFFFDED3
BLOCK_END = 0xAB123579
IMAGE_TYPE_ARM = 0x10210142
IMAGE_TYPE_RISCV = 0x11010142
PARTITION_TABLE = (0x0100020A, 0)


def crc32_mpeg2(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def boot2(seed):
    """The second-stage loader: 252 bytes and the checksum that the ROM asks for."""
    code = random.Random(f"boot2 {seed}").randbytes(BOOT2_BYTES)
    return code + struct.pack("<I", crc32_mpeg2(code))


def vector_table():
    handlers = [RESET_HANDLER] + [RESET_HANDLER + 4 * n for n in range(1, VECTOR_COUNT - 1)]
    return struct.pack(f"<{VECTOR_COUNT}I", STACK_TOP, *handlers)


def good_bin(size=64 * 1024, seed=1):
    """`size` bytes for the start of the flash; at least 1 KiB."""
    assert size >= 1024
    head = boot2(seed) + vector_table()
    return head + random.Random(f"body {seed}").randbytes(size - len(head))


def versioned_bin(version, size=64 * 1024, seed=1):
    """Says which version it is, as programs of the Pico SDK do: a table of one entry behind the vectors."""
    image = bytearray(good_bin(size, seed))
    table, entry, text, copies = FLASH_START + 0x210, FLASH_START + 0x214, FLASH_START + 0x220, FLASH_START + 0x260
    struct.pack_into("<5I", image, 0x1F0, 0x7188EBF2, table, table + 4, copies, 0xE71AA390)
    struct.pack_into("<IHHII", image, 0x210, entry, 6, 0x5052, 0x11A9BC3A, text)
    struct.pack_into("32s32xI", image, 0x220, version.encode(), 0)
    return bytes(image)


def elf(data, start=FLASH_START):
    """Linked for ARM, in one segment that is loaded as it is."""
    header = struct.pack("<16s2H5I6H", b"\x7fELF\1\1\1", 2, 40, 1, RESET_HANDLER, 52, 0, 0x5000200, 52, 32, 1,
                         40, 0, 0)
    return header + struct.pack("<8I", 1, 84, start, start, len(data), len(data), 5, 4) + data


def intel_hex(data, start=FLASH_START):
    def record(kind, offset, payload):
        line = struct.pack(">BHB", len(payload), offset & 0xFFFF, kind) + payload
        return f":{line.hex().upper()}{-sum(line) & 0xFF:02X}\n"
    lines = []
    for at in range(0, len(data), 16):
        if at % 0x10000 == 0:
            lines.append(record(4, 0, struct.pack(">H", start + at >> 16)))
        lines.append(record(0, at, data[at:at + 16]))
    return "".join([*lines, record(1, 0, b"")]).encode()


def over(*pieces, size=0):
    """Pieces of (offset, bytes) over blank flash."""
    flash = bytearray(b"\xff" * max(size, *(offset + len(data) for offset, data in pieces)))
    for offset, data in pieces:
        flash[offset:offset + len(data)] = data
    return bytes(flash)


def block(*item, distance=0):
    """What the boot ROM of an RP2350 looks for: one item, and the way to the next block."""
    return struct.pack(f"<{len(item) + 4}I", BLOCK_START, *item, 0xFF | len(item) << 8,
                       distance & 0xFFFFFFFF, BLOCK_END)


def rp2350_bin(size=64 * 1024, seed=1, image_type=IMAGE_TYPE_ARM):
    """As Klipper's are: the vector table, behind it the IMAGE_DEF."""
    assert size >= 1024
    head = vector_table() + block(image_type)
    return head + random.Random(f"rp2350 body {seed}").randbytes(size - len(head))


def rp2350_uf2(size=64 * 1024, seed=1, family=FAMILY_RP2350_ARM, with_e10=False):
    """With the block that picotool puts in front against erratum E10, if wanted."""
    front = uf2_block(b"\xef" * PAGE, 0, 2, FAMILY_ABSOLUTE, 0x10FFFF00) if with_e10 else b""
    return front + uf2(rp2350_bin(size, seed), family)


def scattered_bin(sectors, seed=1):
    """Long to erase and quick to write: one page in each sector but the first, 0xFF between them."""
    dice = random.Random(f"scattered {seed}")
    rest = (dice.randbytes(PAGE).ljust(SECTOR, b"\xff") for _ in range(sectors - 1))
    return good_bin(SECTOR, seed) + b"".join(rest)


def uf2(data, family=FAMILY_RP2040, start=FLASH_START, leave_out_blank=False):
    """Wraps bytes as the RP2040's ROM wants them: 256 a block, the last one filled up by zeros."""
    pages = [(start + at, data[at:at + PAGE].ljust(PAGE, b"\0"))
             for at in range(0, len(data), PAGE)]
    if leave_out_blank:
        pages = [(address, page) for address, page in pages if page != b"\xff" * PAGE]
    return b"".join(uf2_block(page, number, len(pages), family, address)
                    for number, (address, page) in enumerate(pages))


def uf2_block(page, number, count, family, address):
    head = struct.pack("<8I", UF2_MAGIC[0], UF2_MAGIC[1], UF2_FAMILY_PRESENT, address, len(page),
                       number, count, family)
    return head + page.ljust(476, b"\0") + struct.pack("<I", UF2_MAGIC[2])


def good_uf2(size=64 * 1024, seed=1):
    return uf2(good_bin(size, seed))


def bad_boot2_crc(size=64 * 1024, seed=1):
    image = bytearray(good_bin(size, seed))
    image[BOOT2_BYTES] ^= 0x01
    return bytes(image)


def without_vector_table(size=64 * 1024, seed=1):
    return boot2(seed) + b"\xff" * (size - PAGE)


def stack_outside_ram(size=64 * 1024, seed=1):
    image = bytearray(good_bin(size, seed))
    struct.pack_into("<I", image, PAGE, 0x30000000)
    return bytes(image)


def too_large(flash_size=2 * 1024 * 1024, seed=1):
    """One sector more than the board's flash holds."""
    return good_bin(flash_size + SECTOR, seed)


def other_family(size=64 * 1024, seed=1):
    return uf2(good_bin(size, seed), family=FAMILY_RP2350_ARM)


def truncated_uf2(size=64 * 1024, seed=1):
    """A download that was cut: whole blocks are missing, and the last one is torn."""
    image = good_uf2(size, seed)
    return image[:len(image) * 2 // 3 + 100]


def uf2_with_a_hole(size=64 * 1024, seed=1):
    image = good_uf2(size, seed)
    return image[:5 * 512] + image[6 * 512:]


def without_image_def(size=64 * 1024, seed=1):
    """Would fit an RP2350 but for one bit."""
    image = bytearray(rp2350_bin(size, seed))
    image[VECTOR_COUNT * 4] ^= 0x01
    return bytes(image)


def with_partition_table(size=64 * 1024, seed=1):
    """Nothing but a partition table tells the RP2350 what to start."""
    head = vector_table() + block(*PARTITION_TABLE)
    return head + rp2350_bin(size, seed)[len(head):]


def empty():
    return b""


WRONG = {
    "bad-boot2-crc": bad_boot2_crc,
    "no-vector-table": without_vector_table,
    "stack-outside-ram": stack_outside_ram,
    "too-large": too_large,
    "other-family": other_family,
    "truncated": truncated_uf2,
    "hole": uf2_with_a_hole,
    "empty": empty,
}

# None of them fits an RP2040 either.
WRONG_FOR_RP2350 = {
    "no-image-def": without_image_def,
    "partition-table": with_partition_table,
}

EVERY = {"good-bin": good_bin, "good-uf2": good_uf2, "rp2350-bin": rp2350_bin,
         "rp2350-uf2": rp2350_uf2, **WRONG, **WRONG_FOR_RP2350}


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in EVERY:
        sys.exit(f"usage: images.py NAME FILE [SIZE [SEED]], NAME one of: {', '.join(EVERY)}")
    with open(sys.argv[2], "wb") as file:
        file.write(EVERY[sys.argv[1]](*(int(word, 0) for word in sys.argv[3:])))


if __name__ == "__main__":
    main()
