# SPDX-License-Identifier: MIT
"""What firmware comes wrapped in: UF2, DfuSe, gzip; and the checksum of the RP2040's loader."""
import gzip
import struct
import zlib

PAGE = 256
FAMILY_ABSOLUTE, FAMILY_RP2040, FAMILY_RP2350 = 0xE48BFF57, 0xE48BFF56, 0xE48BFF59
E10_TAG = 0x9957E304


def crc32_mpeg2(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def boot2(code):
    """Padded and signed as the ROM asks for it."""
    assert len(code) <= 252
    padded = code.ljust(252, b"\0")
    return padded + struct.pack("<I", crc32_mpeg2(padded))


def uf2_block(payload, number, count, family, address, tags=b""):
    flags = 0x2000 | (0x8000 if tags else 0)
    head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, address, len(payload), number, count, family)
    return head + (payload + tags).ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)


def uf2(data, address, family, with_e10=False):
    """with_e10: the block in front that works around erratum E10 of the RP2350."""
    count = -(-len(data) // PAGE)
    front = uf2_block(b"\xef" * PAGE, 0, 2, FAMILY_ABSOLUTE, 0x10FFFF00,
                      struct.pack("<I", E10_TAG)) if with_e10 else b""
    return front + b"".join(
        uf2_block(data[PAGE * n:PAGE * (n + 1)].ljust(PAGE, b"\0"), n, count, family, address + PAGE * n)
        for n in range(count))


def dfuse(data, address, vendor=0x0483, product=0xDF11):
    """One target, one element, and the suffix."""
    element = struct.pack("<II", address, len(data)) + data
    target = struct.pack("<6sBI255sII", b"Target", 0, 1, b"ST...", len(element), 1) + element
    prefix = struct.pack("<5sBIB", b"DfuSe", 1, 11 + len(target), 1)
    rest = struct.pack("<HHHH3sB", 0, product, vendor, 0x011A, b"UFD", 16)
    body = prefix + target + rest
    return body + struct.pack("<I", zlib.crc32(body) ^ 0xFFFFFFFF)


def gzipped(data):
    return gzip.compress(data, 9, mtime=0)


# what the facts give as examples
assert crc32_mpeg2(b"123456789") == 0x0376E6E7
assert dfuse(bytes(range(8)), 0x08000000, vendor=0x0483, product=0xDF11)[6:10] == struct.pack("<I", 301)
