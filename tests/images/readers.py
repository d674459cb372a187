# SPDX-License-Identifier: MIT
"""Reads firmware files for the self-check, with nothing of what wrote them.

    flat(data, format, packed) -> (address or None, bytes)
    dictionaries(bytes) -> [(offset, packed length, parsed)]
    binary_info(address, bytes) -> {name: text}
"""
import gzip
import json
import struct
import zlib


def from_hex(data):
    memory, upper, ended = {}, 0, False
    for line in data.decode("ascii").split():
        assert line[0] == ":" and not ended
        record = bytes.fromhex(line[1:])
        assert sum(record) & 0xFF == 0 and len(record) == record[0] + 5
        at, kind, payload = int.from_bytes(record[1:3], "big"), record[3], record[4:-1]
        if kind == 0:
            memory[upper + at] = payload
        elif kind == 4:
            upper = int.from_bytes(payload, "big") << 16
        elif kind == 2:
            upper = int.from_bytes(payload, "big") << 4
        ended = kind == 1
    assert ended
    return joined(memory)


def from_elf(data):
    assert data[:6] == b"\x7fELF\x01\x01"
    kind, machine, _, entry, table = struct.unpack_from("<HHIII", data, 16)
    assert (kind, machine) == (2, 40)
    size, count = struct.unpack_from("<HH", data, 42)
    memory, first = {}, None
    for n in range(count):
        kind, offset, _, physical, file_size = struct.unpack_from("<5I", data, table + size * n)
        if kind == 1 and file_size:
            first = physical if first is None else first
            memory[physical] = data[offset:offset + file_size]
            assert len(memory[physical]) == file_size
    assert entry == first
    return joined(memory)


def from_dfuse(data):
    assert data[:6] == b"DfuSe\x01" and data[-8:-4] == b"UFD\x10"
    assert struct.unpack("<I", data[-4:])[0] == zlib.crc32(data[:-4]) ^ 0xFFFFFFFF
    assert struct.unpack_from("<IB", data, 6) == (len(data) - 16, 1)
    assert data[11:17] == b"Target" and struct.unpack_from("<I", data, 11 + 270) == (1,)
    address, size = struct.unpack_from("<II", data, 11 + 274)
    image = data[11 + 282:-16]
    assert len(image) == size
    return address, image


def from_uf2(data):
    assert len(data) % 512 == 0
    memory, families = {}, set()
    for at in range(0, len(data), 512):
        first, second, flags, address, size, number, count, family = struct.unpack_from("<8I", data, at)
        assert (first, second) == (0x0A324655, 0x9E5D5157)
        assert data[at + 508:at + 512] == b"\x30\x6f\xb1\x0a" and flags & 0x2000 and size == 256
        if family == 0xE48BFF57 and address == 0x10FFFF00:
            continue
        assert number == len(memory) and count in (len(data) // 512, len(data) // 512 - 1)
        families.add(family)
        memory[address] = data[at + 32:at + 32 + size]
    assert len(families) == 1
    return joined(memory)


def joined(memory):
    """One stretch; what lies between two pieces (never much) is blank."""
    start, result = min(memory), bytearray()
    for address in sorted(memory):
        gap = address - start - len(result)
        assert 0 <= gap < 256
        result += b"\0" * gap + memory[address]
    return start, bytes(result)


READERS = {"hex": from_hex, "elf": from_elf, "dfu": from_dfuse, "uf2": from_uf2,
           "bin": lambda data: (None, data)}


def flat(data, kind, packed):
    return READERS[kind](gzip.decompress(data) if packed else data)


def dictionaries(data):
    found, at = [], data.find(b"\x78\xda")
    while at >= 0:
        stream = zlib.decompressobj()
        try:
            text = stream.decompress(data[at:], 1 << 20)
            if stream.eof and text[:1] == b"{":
                found.append((at, len(data) - at - len(stream.unused_data), text))
        except zlib.error:
            pass
        at = data.find(b"\x78\xda", at + 1)
    return [(at, size, text, json.loads(text)) for at, size, text in found]


INFO = {0x02031C86: "name", 0x11A9BC3A: "version", 0x9DA22254: "build_date", 0x1856239A: "url",
        0xB6A07C19: "description", 0x5360B3AB: "sdk", 0xB63CFFBB: "board", 0x68F465DE: "end"}


def binary_info(address, data):
    """Follows the pointers as picotool would; those into RAM through the table of what is copied."""
    header = data.index(struct.pack("<I", 0x7188EBF2))
    _, first, last, table, end = struct.unpack_from("<5I", data, header)
    assert end == 0xE71AA390
    ranges = []
    while word(data, table - address):
        ranges.append(struct.unpack_from("<3I", data, table - address))
        table += 12

    def offset(pointer):
        for source, start, stop in ranges:
            if start <= pointer < stop:
                return pointer - start + source - address
        return pointer - address

    result = {}
    for at in range(first, last, 4):
        entry = offset(word(data, offset(at)))
        kind, tag, key = struct.unpack_from("<HHI", data, entry)
        assert tag == 0x5052
        value = word(data, entry + 8)
        if kind == 6 and key in INFO:
            text = offset(value)
            result[INFO[key]] = data[text:data.index(b"\0", text)].decode()
        if kind == 5 and key in INFO:
            result[INFO[key]] = value
    return header, result


def word(data, at):
    return struct.unpack_from("<I", data, at)[0]


def words(data):
    return struct.unpack(f"<{len(data) // 4}I", data[:len(data) & ~3])
