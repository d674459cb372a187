# SPDX-License-Identifier: MIT
"""The data dictionary that a Klipper image carries: JSON with sorted keys, packed by zlib.

    text(mcu, version, config)   the JSON
    packed(text)                 as the image holds it
    COMMANDS                     what the image has a handler for, in the order of the ids

The names are those of the protocol; the sentences of static_string_id are our own.
"""
import json
import zlib

IDENTIFY = "identify offset=%u count=%c"
IDENTIFY_RESPONSE = "identify_response offset=%u data=%.*s"

COMMANDS = [IDENTIFY] + sorted([
    "allocate_oids count=%c", "clear_shutdown", "emergency_stop", "finalize_config crc=%u", "get_clock",
    "get_config", "get_uptime", "reset", "config_reset", "debug_nop", "debug_ping data=%*s",
    "debug_read order=%c addr=%u", "debug_write order=%c addr=%u val=%u",
    "config_analog_in oid=%c pin=%u",
    "query_analog_in oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u min_value=%hu"
    " max_value=%hu range_check_count=%c",
    "buttons_ack oid=%c count=%c", "buttons_add oid=%c pos=%c pin=%u pull_up=%c",
    "buttons_query oid=%c clock=%u rest_ticks=%u retransmit_count=%c invert=%c",
    "config_buttons oid=%c button_count=%c",
    "config_counter oid=%c pin=%u pull_up=%c", "query_counter oid=%c clock=%u poll_ticks=%u sample_ticks=%u",
    "config_digital_out oid=%c pin=%u value=%c default_value=%c max_duration=%u",
    "queue_digital_out oid=%c clock=%u on_ticks=%u", "set_digital_out pin=%u value=%c",
    "set_digital_out_pwm_cycle oid=%c cycle_ticks=%u", "update_digital_out oid=%c value=%c",
    "config_endstop oid=%c pin=%c pull_up=%c",
    "endstop_home oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u pin_value=%c trsync_oid=%c"
    " trigger_reason=%c", "endstop_query_state oid=%c",
    "config_i2c oid=%c", "i2c_read oid=%c reg=%*s read_len=%u",
    "i2c_set_bus oid=%c i2c_bus=%u rate=%u address=%u",
    "i2c_set_sw_bus oid=%c scl_pin=%u sda_pin=%u pulse_ticks=%u address=%u", "i2c_transfer oid=%c write=%*s"
    " read_len=%u", "i2c_write oid=%c data=%*s",
    "config_ldc1612 oid=%c i2c_oid=%c", "config_ldc1612_with_intb oid=%c i2c_oid=%c intb_pin=%c",
    "query_ldc1612 oid=%c rest_ticks=%u", "query_status_ldc1612 oid=%c",
    "ldc1612_setup_home oid=%c clock=%u threshold=%u trsync_oid=%c trigger_reason=%c error_reason=%c",
    "query_ldc1612_home_state oid=%c",
    "config_adxl345 oid=%c spi_oid=%c", "query_adxl345 oid=%c rest_ticks=%u", "query_adxl345_status oid=%c",
    "config_lis2dw oid=%c bus_oid=%c bus_oid_type=%c lis_chip_type=%c", "query_lis2dw oid=%c rest_ticks=%u",
    "query_lis2dw_status oid=%c", "config_mpu9250 oid=%c i2c_oid=%c", "query_mpu9250 oid=%c rest_ticks=%u",
    "query_mpu9250_status oid=%c",
    "config_neopixel oid=%c pin=%u data_size=%hu bit_max_ticks=%u reset_min_ticks=%u",
    "neopixel_send oid=%c", "neopixel_update oid=%c pos=%hu data=%*s",
    "config_pwm_out oid=%c pin=%u cycle_ticks=%u value=%hu default_value=%hu max_duration=%u",
    "queue_pwm_out oid=%c clock=%u value=%hu", "set_pwm_out pin=%u cycle_ticks=%u value=%hu",
    "config_spi oid=%c pin=%u cs_active_high=%c", "config_spi_without_cs oid=%c",
    "config_spi_shutdown oid=%c spi_oid=%c shutdown_msg=%*s", "spi_send oid=%c data=%*s",
    "spi_set_bus oid=%c spi_bus=%u mode=%u rate=%u",
    "spi_set_sw_bus oid=%c miso_pin=%u mosi_pin=%u sclk_pin=%u mode=%u pulse_ticks=%u",
    "spi_transfer oid=%c data=%*s",
    "config_spi_angle oid=%c spi_oid=%c spi_angle_type=%c",
    "query_spi_angle oid=%c clock=%u rest_ticks=%u time_shift=%c", "spi_angle_transfer oid=%c data=%*s",
    "config_st7920 oid=%c cs_pin=%u sclk_pin=%u sid_pin=%u sync_delay_ticks=%u cmd_delay_ticks=%u",
    "st7920_send_cmds oid=%c cmds=%*s", "st7920_send_data oid=%c data=%*s",
    "config_hd44780 oid=%c rs_pin=%u e_pin=%u d4_pin=%u d5_pin=%u d6_pin=%u d7_pin=%u delay_ticks=%u",
    "hd44780_send_cmds oid=%c cmds=%*s", "hd44780_send_data oid=%c data=%*s",
    "config_stepper oid=%c step_pin=%c dir_pin=%c invert_step=%c step_pulse_ticks=%u",
    "queue_step oid=%c interval=%u count=%hu add=%hi", "reset_step_clock oid=%c clock=%u",
    "set_next_step_dir oid=%c dir=%c", "stepper_get_position oid=%c",
    "stepper_stop_on_trigger oid=%c trsync_oid=%c",
    "config_thermocouple oid=%c spi_oid=%c thermocouple_type=%c",
    "query_thermocouple oid=%c clock=%u rest_ticks=%u min_value=%u max_value=%u max_invalid_count=%c",
    "config_tmcuart oid=%c rx_pin=%u pull_up=%c tx_pin=%u bit_time=%u",
    "tmcuart_send oid=%c write=%*s read=%c",
    "config_trsync oid=%c", "trsync_set_timeout oid=%c clock=%u",
    "trsync_start oid=%c report_clock=%u report_ticks=%u expire_reason=%c",
    "trsync_trigger oid=%c reason=%c",
    "config_hx71x oid=%c gain_channel=%c dout_pin=%u sclk_pin=%u", "query_hx71x oid=%c rest_ticks=%u",
    "query_hx71x_status oid=%c", "config_ads1220 oid=%c spi_oid=%c data_ready_pin=%u",
    "query_ads1220 oid=%c rest_ticks=%u", "query_ads1220_status oid=%c",
    "config_sos_filter oid=%c max_sections=%u",
    "sos_filter_set_active oid=%c n_sections=%c coeff_int_bits=%c",
    "sos_filter_set_section oid=%c section_idx=%c sos0=%i sos1=%i sos2=%i sos3=%i sos4=%i",
    "sos_filter_set_state oid=%c section_idx=%c state0=%i state1=%i",
])

RESPONSES = sorted([
    "starting", "is_shutdown static_string_id=%hu", "shutdown clock=%u static_string_id=%hu",
    "stats count=%u sum=%u sumsq=%u", "config is_config=%c crc=%u is_shutdown=%c move_count=%hu",
    "clock clock=%u", "uptime high=%u clock=%u", "pong data=%*s", "debug_result val=%u",
    "analog_in_state oid=%c next_clock=%u value=%hu", "buttons_state oid=%c ack_count=%c state=%*s",
    "counter_state oid=%c next_clock=%u count=%u count_clock=%u",
    "endstop_state oid=%c homing=%c next_clock=%u pin_value=%c", "i2c_read_response oid=%c response=%*s",
    "i2c_response oid=%c i2c_bus_status=%c response=%*s", "neopixel_result oid=%c success=%c",
    "spi_transfer_response oid=%c response=%*s", "spi_angle_transfer_response oid=%c clock=%u response=%*s",
    "stepper_position oid=%c pos=%i", "thermocouple_result oid=%c next_clock=%u value=%u fault=%c",
    "tmcuart_response oid=%c read=%*s", "trsync_state oid=%c can_trigger=%c trigger_reason=%c clock=%u",
    "sensor_bulk_data oid=%c sequence=%hu data=%*s",
    "sensor_bulk_status oid=%c clock=%u query_ticks=%u next_sequence=%hu buffered=%u"
    " possible_overflows=%hu", "ldc1612_home_state oid=%c homing=%c trigger_clock=%u",
])

CAN_COMMANDS = ["get_canbus_id", "get_canbus_status"]
CAN_RESPONSES = ["canbus_id canbus_uuid=%.*s canbus_nodeid=%u",
                 "canbus_status rx_error=%u tx_error=%u tx_retries=%u canbus_bus_state=%u"]
BRIDGE_RESPONSES = ["usb_canbus_state discard=%u"]

# Why a board stopped: what a static_string_id means.
STATIC_STRINGS = [
    "A sensor asked for more than the bus carries", "A step came before its clock",
    "A timer was set into the past", "Accelerometer ran over its buffer", "Analog value left its range",
    "Analog pin is not one of this chip", "Angle sensor was asked twice", "Bus of that number is not there",
    "Button list holds eight at most", "Button number is too high", "Chain of moves is broken",
    "Clock of the bus cannot be reached", "Command stood where none may stand", "Counter pin is in use",
    "Display answered too late", "Duty cycle left its range", "Emergency stop by request",
    "Endstop without a trigger group", "Filter has too many sections", "Frame of the inner bus was lost",
    "Host let the heater run too long", "I2C line is held low", "I2C timed out", "Invalid length in a block",
    "Load cell clock is stuck", "Memory is used up", "Move queue ran empty", "Move queue is full",
    "No output at that pin", "No pull-up on this chip", "Object is of another kind", "Object number is taken",
    "Objects were allocated before", "Output pin outlived its watch", "Pixel data is too long",
    "Pulse is too short to send", "PWM cycle must not change now", "PWM pin has no timer",
    "Sensor did not answer", "Serial adapter overflowed", "SPI mode is none of four",
    "SPI rate is too low", "Stepper has no room to stop", "Stepper was reset in motion",
    "Thermocouple is open", "Trigger group is full", "UART driver took too long", "Voltage is too low",
    "Angle readings came too fast", "Bit time is shorter than the chip can do", "Block before its time",
    "Clock stretched beyond its limit", "Data rate does not suit the filter", "Display line is too long",
    "Edge was seen twice", "Expander is in use", "Heater may not be an input", "Home reading left its window",
    "Inner loop was late", "Line driver is in a short", "Magnet is too far away", "Number of pins differs",
    "Probe was touched before it moved", "Reading is older than its frame", "Sensor lost its reference",
    "Shift register is unknown", "Step pin and direction pin are one", "Supply dipped under load",
    "Tap was not found in the window", "Three timers at one moment", "Write queue of the display is full",
    "Watchdog bit", "Wrong count of arguments", "Write to a read-only word", "Zero is no interval",
]

BUILD_VERSIONS = ("gcc: (15:12.2.rel1-1) 12.2.1 20221205 binutils: (2.40-2+18+b1) 2.40.50.20230211")
LINUX_BUILD_VERSIONS = "gcc: (Debian 12.2.0-14+deb12u1) 12.2.0 binutils: (GNU Binutils for Debian) 2.40"

STM32_PORTS = {"stm32f072xb": "ABCDEF", "stm32f103xe": "ABCDE", "stm32f429xx": "ABCDEFGHI",
               "stm32f446xx": "ABCDEFGH", "stm32g0b1xx": "ABCDEF", "stm32h723xx": "ABCDEFGHI"}


def pins(mcu):
    if mcu == "linux":
        return {f"gpiochip{chip}/gpio0": [chip * 288, 288] for chip in range(8)} | {
            "analog0": [2304, 8]}
    if mcu in ("rp2040", "rp2350"):
        count = 30 if mcu == "rp2040" else 48
        return {"gpio0": [0, count], "ADC_TEMPERATURE": 0xFE}
    ports = {f"P{port}0": [16 * (ord(port) - ord("A")), 16] for port in STM32_PORTS[mcu]}
    return ports | {"ADC_TEMPERATURE": 0xFE}


BUS_PINS = {
    "stm32": {"i2c1": "PB6,PB7", "i2c1a": "PB8,PB9", "i2c2": "PB10,PB11", "spi1": "PA6,PA7,PA5",
              "spi1a": "PB4,PB5,PB3", "spi2": "PB14,PB15,PB13", "spi2a": "PC2,PC3,PB10",
              "spi3": "PB4,PB5,PB3", "spi3a": "PC11,PC12,PC10"},
    "rp": {"i2c0a": "gpio0,gpio1", "i2c0b": "gpio4,gpio5", "i2c1a": "gpio2,gpio3", "i2c1b": "gpio6,gpio7",
           "spi0_gpio0_gpio3_gpio2": "gpio0,gpio3,gpio2", "spi0_gpio4_gpio3_gpio2": "gpio4,gpio3,gpio2",
           "spi0_gpio16_gpio19_gpio18": "gpio16,gpio19,gpio18",
           "i2c0c": "gpio8,gpio9", "i2c1c": "gpio10,gpio11",
           "spi0_gpio20_gpio19_gpio18": "gpio20,gpio19,gpio18",
           "i2c0d": "gpio12,gpio13", "i2c1d": "gpio14,gpio15",
           "spi1_gpio12_gpio11_gpio10": "gpio12,gpio11,gpio10",
           "i2c0e": "gpio16,gpio17", "i2c1e": "gpio18,gpio19",
           "spi1_gpio8_gpio11_gpio10": "gpio8,gpio11,gpio10"},
}


def buses(mcu):
    return BUS_PINS["rp" if mcu.startswith("rp") else "stm32"] if mcu != "linux" else {}


def constants(mcu, config):
    """What every build carries, beside what this one was configured for."""
    always = {"ADC_MAX": 4095, "MCU": mcu, "PWM_MAX": 255, "STATS_SUMSQ_BASE": 256,
              "STEPPER_STEP_BOTH_EDGE": 1}
    if mcu == "linux":
        always |= {"PCA9685_MAX": 4096, "PWM_MAX": 32768}
    elif mcu != "stm32f072xb":
        always |= {"STEPPER_OPTIMIZED_EDGE": 20, "STEPPER_OPTIMIZED_UNSTEP": 64}
    return always | {f"BUS_PINS_{bus}": names for bus, names in buses(mcu).items()} | config


def ids(first, formats):
    """One byte on the wire each, as long as these last: 0..95, then -32..-1."""
    for number, text in enumerate(formats, first):
        yield text, number if number < 96 else number - 96 - 32


def text(mcu, version, config, app="Klipper"):
    """Without `app`: as it was before March 2024, and as vendors still ship it."""
    with_can = "CANBUS_FREQUENCY" in config or "CANBUS_BRIDGE" in config
    commands = COMMANDS + (CAN_COMMANDS if with_can else [])
    responses = RESPONSES + (CAN_RESPONSES if with_can else []) + (
        BRIDGE_RESPONSES if "CANBUS_BRIDGE" in config else [])
    names = list(buses(mcu))
    enumerations = {
        "pin": pins(mcu),
        "static_string_id": {words: number for number, words in enumerate(STATIC_STRINGS, 2)},
        "thermocouple_type": {"MAX31855": 0, "MAX31856": 1, "MAX31865": 2, "MAX6675": 3},
        "spi_angle_type": {"a1333": 0, "as5047d": 1, "tle5012b": 2, "mt6816": 3, "mt6826s": 4},
        "i2c_bus_status": {"SUCCESS": 0, "NACK": 1, "TIMEOUT": 2, "START_NACK": 3, "START_READ_NACK": 4},
        "bus_oid_type": {"spi": 0, "i2c": 1},
        "lis_chip_type": {"LIS2DW": 0, "LIS3DH": 1},
        "i2c_bus": {name: n for n, name in enumerate(n for n in names if n.startswith("i2c"))},
        "spi_bus": {name: n for n, name in enumerate(n for n in names if n.startswith("spi"))},
    }
    if with_can:
        enumerations["canbus_bus_state"] = {"active": 0, "warn": 1, "passive": 2, "off": 3}
    head = {"app": app, "license": "GNU GPLv3"} if app else {}
    return json.dumps(head | {
        "build_versions": LINUX_BUILD_VERSIONS if mcu == "linux" else BUILD_VERSIONS,
        "commands": dict(ids(1, commands)),
        "config": constants(mcu, config),
        "enumerations": enumerations,
        "responses": {IDENTIFY_RESPONSE: 0} | dict(ids(len(commands) + 1, responses)),
        "version": version,
    }, sort_keys=True, separators=(",", ":"))


def packed(words):
    data = zlib.compress(words.encode(), 9)
    assert data[:2] == b"\x78\xda"
    return data
