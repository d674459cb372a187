# SPDX-License-Identifier: MIT
"""THE TRUTH: every test image, what it is made of, and what may truly be said of it.

    CHIPS     what the build and the self-check must know of a chip
    PROGRAMS  what is compiled and linked, by name
    FILES     what is written, by file name: a program in a container, perhaps cut
    truth(file) one line of manifest.json

In the manifest, null means: nothing in the file tells.
"""
import dataclasses
import typing

NOW = "v0.13.0-420-g0a1b2c3d4"
OLD = "v0.12.0-404-g0123456ab"
KATAPULT_VERSION = "v0.0.1-109-g902f335"
K = 1024


@dataclasses.dataclass(frozen=True)
class Chip:
    name: str
    cpu: str
    flash: int
    flash_size: int
    ram_top: int
    vectors: int
    clock: int
    ram: int = 0x20000000
    vtor: bool = True
    crystal: str = ""
    usb_pins: str = ""
    usb_base: int = 0x40005C00
    can_base: int = 0x40006400
    uart_base: int = 0x40013800

    def defines(self):
        return [f"-DCLOCK_FREQ={self.clock}u", f"-DUSB_BASE={self.usb_base:#x}",
                f"-DCAN_BASE={self.can_base:#x}", f"-DUART_BASE={self.uart_base:#x}",
                "-DHAS_VTOR" if self.vtor else "-DVECTORS_TO_RAM"]


CHIPS = {
    "rp2040": Chip("RP2040", "cortex-m0plus", 0x10000000, 2048 * K, 0x20042000, 42, 12000000,
                   usb_base=0x50110000, uart_base=0x40034000),
    "rp2350": Chip("RP2350", "cortex-m33", 0x10000000, 4096 * K, 0x20082000, 67, 12000000,
                   usb_base=0x50110000, uart_base=0x40070000),
    "stm32f072xb": Chip("STM32F072", "cortex-m0", 0x08000000, 128 * K, 0x20004000, 48, 48000000, vtor=False,
                        crystal="PF0,PF1", usb_pins="PA11,PA12"),
    "stm32f103xe": Chip("STM32F103", "cortex-m3", 0x08000000, 256 * K, 0x20005000, 54, 72000000,
                        usb_pins="PA11,PA12"),
    "stm32f429xx": Chip("STM32F429", "cortex-m4", 0x08000000, 512 * K, 0x20020000, 84, 168000000,
                        crystal="PH0,PH1", usb_pins="PA11,PA12", usb_base=0x50000000),
    "stm32f446xx": Chip("STM32F446", "cortex-m4", 0x08000000, 512 * K, 0x20020000, 84, 180000000,
                        crystal="PH0,PH1", usb_pins="PA11,PA12", usb_base=0x50000000),
    "stm32g0b1xx": Chip("STM32G0B1", "cortex-m0plus", 0x08000000, 128 * K, 0x20024000, 38, 64000000,
                        crystal="PF0,PF1", usb_pins="PA11,PA12", can_base=0x4000B400),
    "stm32h723xx": Chip("STM32H723", "cortex-m7", 0x08000000, 1024 * K, 0x20020000, 118, 520000000,
                        crystal="PH0,PH1", usb_pins="PA11,PA12", usb_base=0x40040000),
}

CAN_PINS = {"rp2040": "gpio4,gpio5", "stm32f072xb": "PB8,PB9", "stm32f446xx": "PD0,PD1",
            "stm32g0b1xx": "PB0,PB1"}


@dataclasses.dataclass(frozen=True)
class Program:
    """kind: klipper katapult deployer combined plain binary-info. gap: bytes before the image."""
    kind: str
    mcu: str
    gap: int = 0
    transport: str = ""
    version: str = ""
    bitrate: int = 1000000
    pins: str = ""
    initial_pins: str = ""
    compiler: str = "gcc-O2"
    run_from_ram: bool = False
    boot2: bool = False
    embeds: str = ""
    appends: str = ""
    app: str = "Klipper"
    info: typing.Optional[tuple] = None

    @property
    def chip(self):
        return CHIPS[self.mcu]

    @property
    def link(self):
        """Where the first byte goes, boot2 or not."""
        return self.chip.flash + self.gap

    @property
    def vectors_at(self):
        return self.link + (0x100 if self.boot2 else 0)

    @property
    def ram_top(self):
        if self.kind in ("katapult", "combined"):  # the word that asks it to stay lies above
            return self.chip.ram_top - 8
        if self.kind == "plain" and self.mcu == "stm32f429xx":  # the whole of it, not what Klipper takes
            return 0x20030000
        return self.chip.ram_top

    def config(self):
        """The constants of the dictionary that tell the builds of one chip apart."""
        chip, can = self.chip if self.mcu != "linux" else None, self.pins or CAN_PINS.get(self.mcu)
        config = {"CLOCK_FREQ": chip.clock if chip else 50000000}
        if self.transport == "can":
            config |= {"CANBUS_FREQUENCY": self.bitrate, "RESERVE_PINS_CAN": can}
        if self.transport == "bridge":  # whose bitrate is not in the image
            config |= {"CANBUS_BRIDGE": 1, "RESERVE_PINS_CAN": can}
        if self.transport == "uart":
            config |= {"SERIAL_BAUD": 250000, "RESERVE_PINS_serial": "PA10,PA9"}
        if self.transport in ("can", "bridge", "uart"):
            config["RECEIVE_WINDOW"] = 192
        if self.transport in ("usb", "bridge") and chip.usb_pins:
            config["RESERVE_PINS_USB"] = chip.usb_pins
        if chip and chip.crystal:
            config["RESERVE_PINS_crystal"] = chip.crystal
        if self.initial_pins:
            config["INITIAL_PINS"] = self.initial_pins
        return config


def klipper(mcu, gap_kib, transport, version=NOW, **more):
    return Program("klipper", mcu, gap_kib * K, transport, version, **more)


G0 = klipper("stm32g0b1xx", 8, "can")
F4 = klipper("stm32f429xx", 32, "usb")
RP = klipper("rp2040", 0, "usb", run_from_ram=True, boot2=True)

WIDGET = ("widget", "1.4.2", "Nov 11 2026", "https://example.org/widget", "2.1.1",
          "Turns a widget on and off")

PROGRAMS = {
    "klipper-rp2040-usb": RP,
    "klipper-rp2040-usb-old": dataclasses.replace(RP, version=OLD),
    "klipper-rp2040-can": dataclasses.replace(RP, transport="can"),
    "klipper-rp2040-usb-16k": klipper("rp2040", 16, "usb", run_from_ram=True),
    "klipper-rp2040-usb-16k-old": klipper("rp2040", 16, "usb", version=OLD, run_from_ram=True),
    "klipper-rp2040-can-16k": klipper("rp2040", 16, "can"),
    "klipper-rp2350-usb": klipper("rp2350", 0, "usb", run_from_ram=True),
    "klipper-stm32f429-usb-32k": F4,
    "klipper-stm32f429-usb-32k-old": dataclasses.replace(F4, version=OLD),
    "klipper-stm32f429-usb-0": klipper("stm32f429xx", 0, "usb"),
    "klipper-stm32g0b1-can-0": klipper("stm32g0b1xx", 0, "can"),
    "klipper-stm32g0b1-can-8k": G0,
    "klipper-stm32g0b1-can-8k-old": dataclasses.replace(G0, version=OLD),
    "klipper-stm32g0b1-can-8k-500k": dataclasses.replace(G0, bitrate=500000),
    "klipper-stm32g0b1-can-8k-otherpins": dataclasses.replace(G0, pins="PD12,PD13"),
    # a vendor's: a version of his own, and no word of what it is
    "klipper-stm32g0b1-can-8k-vendor": dataclasses.replace(G0, version="WIDGETOGRAPHER 5.1.0", app=""),
    "klipper-stm32g0b1-usb-8k": klipper("stm32g0b1xx", 8, "usb"),
    "klipper-stm32g0b1-usb-8k-old": klipper("stm32g0b1xx", 8, "usb", version=OLD),
    "klipper-stm32g0b1-usb-0": klipper("stm32g0b1xx", 0, "usb"),
    "klipper-stm32g0b1-usb-0-old": klipper("stm32g0b1xx", 0, "usb", version=OLD),
    "klipper-stm32f446-bridge-32k": klipper("stm32f446xx", 32, "bridge"),
    "klipper-stm32f446-uart-32k": klipper("stm32f446xx", 32, "uart"),
    "klipper-stm32f446-uart-32k-old": klipper("stm32f446xx", 32, "uart", version=OLD),
    "klipper-stm32f103-uart-28k": klipper("stm32f103xe", 28, "uart", initial_pins="!PC13"),
    "klipper-stm32h723-usb-128k": klipper("stm32h723xx", 128, "usb"),
    "klipper-stm32f072-can-8k": klipper("stm32f072xb", 8, "can"),
    "klipper-linux": klipper("linux", 0, "linux"),
    "klipper-linux-static": klipper("linux", 0, "linux"),
} | {
    f"{name}-{suffix}": dataclasses.replace(program, compiler=compiler)
    for name, program in (("klipper-stm32g0b1-can-8k", G0), ("klipper-stm32f429-usb-32k", F4))
    for suffix, compiler in (("o0", "gcc-O0"), ("o3", "gcc-O3"), ("lto", "gcc-lto"), ("clang", "clang"))
} | {
    "katapult-stm32g0b1-can": Program("katapult", "stm32g0b1xx", 0, "can", KATAPULT_VERSION),
    "katapult-stm32f446-usb": Program("katapult", "stm32f446xx", 0, "usb", KATAPULT_VERSION),
    "katapult-rp2040-usb": Program("katapult", "rp2040", 0, "usb", KATAPULT_VERSION, boot2=True),
    "deployer-stm32f446-32k": Program("deployer", "stm32f446xx", 32 * K, "usb", KATAPULT_VERSION,
                                      embeds="katapult-stm32f446-usb"),
    "combined-stm32g0b1-can": Program("combined", "stm32g0b1xx", 0, "can", NOW,
                                      embeds="katapult-stm32g0b1-can", appends="klipper-stm32g0b1-can-8k"),
    "plain-stm32f429-0": Program("plain", "stm32f429xx"),
    "plain-stm32g0b1-8k": Program("plain", "stm32g0b1xx", 8 * K),
    "widget-rp2040": Program("binary-info", "rp2040", boot2=True, version=WIDGET[1],
                             info=WIDGET + ("pico",)),
    # all of it is copied to RAM at the start, so the addresses of the texts are RAM addresses
    "widget-rp2040-ram": Program("binary-info", "rp2040", boot2=True, version=WIDGET[1],
                                 run_from_ram=True, info=WIDGET + ("pico_w",)),
    "widget-rp2350": Program("binary-info", "rp2350", version=WIDGET[1], info=WIDGET + ("pico2",)),
}

# What is left of the file. CUT in the middle of a structure, wherever the container has one.
HALF, DICTIONARY = "half", "in the dictionary"

FORMATS = {
    "klipper-rp2040-usb": "uf2 elf hex",
    "klipper-rp2040-usb-old": "uf2",
    "klipper-rp2040-can": "uf2",
    "klipper-rp2350-usb": "uf2",
    "klipper-stm32f429-usb-32k": "bin elf hex dfu bin.gz hex.gz",
    "klipper-linux": "elf",
    "klipper-linux-static": "elf",
    "katapult-rp2040-usb": "uf2 bin",
    "plain-stm32f429-0": "bin elf hex dfu",
    "widget-rp2040": "uf2",
    "widget-rp2040-ram": "uf2",
    "widget-rp2350": "uf2",
}


@dataclasses.dataclass(frozen=True)
class File:
    program: str
    format: str
    cut: typing.Union[int, str, None] = None


FILES = {f"{name}.{suffix}": File(name, suffix)
         for name in PROGRAMS for suffix in FORMATS.get(name, "bin").split()} | {
    "klipper-stm32g0b1-can-8k-cut-1023.bin": File("klipper-stm32g0b1-can-8k", "bin", 1023),
    "klipper-stm32g0b1-can-8k-cut-4096.bin": File("klipper-stm32g0b1-can-8k", "bin", 4096),
    "klipper-stm32g0b1-can-8k-cut-half.bin": File("klipper-stm32g0b1-can-8k", "bin", HALF),
    "klipper-stm32g0b1-can-8k-cut-dictionary.bin": File("klipper-stm32g0b1-can-8k", "bin", DICTIONARY),
    "klipper-rp2040-usb-cut.uf2": File("klipper-rp2040-usb", "uf2", HALF),
    "klipper-stm32f429-usb-32k-cut.hex": File("klipper-stm32f429-usb-32k", "hex", HALF),
    "klipper-stm32f429-usb-32k-cut.dfu": File("klipper-stm32f429-usb-32k", "dfu", HALF),
    "klipper-stm32f429-usb-32k-cut.elf": File("klipper-stm32f429-usb-32k", "elf", HALF),
    "klipper-stm32f429-usb-32k-cut.bin.gz": File("klipper-stm32f429-usb-32k", "bin.gz", HALF),
}


def pins(program):
    config = program.config()
    return {key.removeprefix("RESERVE_PINS_"): value for key, value in config.items()
            if key.startswith("RESERVE_PINS_")}


def applications(program):
    return {"klipper": "Klipper", "katapult": "Katapult", "deployer": "Katapult deployer",
            "combined": "Klipper", "plain": None,
            "binary-info": program.info and program.info[0]}[program.kind]


def truth(name):
    """One line of the manifest, but for what only the finished bytes tell."""
    file = FILES[name]
    program = PROGRAMS[file.program]
    line = {
        "file": name,
        "program": file.program,
        "kind": program.kind,
        "format": file.format.removesuffix(".gz"),
        "packed": "gzip" if file.format.endswith(".gz") else None,
        "cut": file.cut is not None,
        "application": applications(program),
        "version": program.version or None,
        "mcu": program.mcu if program.kind in ("klipper", "katapult", "deployer", "combined") else None,
        "chip": program.chip.name if program.mcu != "linux" else "linux",
        "compiler": program.compiler,
        "clock": None, "link_address": None, "vectors_at": None, "stack_top": None, "runs_from": None,
        "transport": program.transport or None, "can_bitrate": None, "baud": None,
        "pins": {}, "initial_pins": None, "board": None, "url": None, "build_date": None, "sdk": None,
        "description": None, "image_size": None, "reset_vector": None, "dictionary": None,
    }
    if program.mcu != "linux":
        line |= {"link_address": f"{program.link:#010x}", "vectors_at": f"{program.vectors_at:#010x}",
                 "stack_top": f"{program.ram_top:#010x}",
                 "runs_from": "ram" if program.run_from_ram else "flash"}
    if program.kind in ("klipper", "combined"):
        config = program.config()
        line |= {"clock": config["CLOCK_FREQ"], "can_bitrate": config.get("CANBUS_FREQUENCY"),
                 "baud": config.get("SERIAL_BAUD"), "pins": pins(program),
                 "initial_pins": config.get("INITIAL_PINS")}
    if not program.app:  # to call it Klipper, which it is, is as good as to say nothing
        del line["application"]
    if program.info:
        _, _, date, url, sdk, description, board = program.info
        line |= {"board": board, "url": url, "build_date": date, "sdk": sdk, "description": description}
    return line
