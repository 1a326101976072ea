"""The simulated Pluto's devices as the kernel names them, each attribute tied to the state it shows or moves."""

import math
from collections.abc import Callable
from functools import partial

from hil.sim.attribute_text import choice, constant, decimal, flag, integer, parse_integer, span, truncated
from hil.sim.iio_context import Attribute, Attributes, Channel, Context, Device, ScanElement
from hil.sim.noise import random_at
from hil.sim.pluto_chip import (
    CALIBRATION_MODES,
    ENSM_MODES,
    GAIN_MODES,
    MAX_ATTENUATION_DB,
    MAX_RATE_HZ,
    RX_BANDWIDTH_HZ,
    TX_BANDWIDTH_HZ,
    XO_RANGE_HZ,
    Synthesizer,
    within,
)
from hil.sim.pluto_dds import GENERATORS, Generator
from hil.sim.pluto_radio import PHY, RX, TX, Radio
from hil.sim.pluto_tdd import describe_pins, describe_tdd

FIRMWARE = "v0.39-hil-sim"
FPGA_FACTOR = 8  # the optional decimation and interpolation in the FPGA
WARM_C, COLD_C, WARM_UP_S = 42.0, 33.0, 600.0
STATUS_REGISTER, OVERFLOW_BIT = 0x80000088, 1 << 2
XADC_OFFSET, XADC_SCALE = -2219, 123.040771484


def describe_pluto(radio: Radio) -> Context:
    """The context of a Pluto with its six devices."""
    model = "ad9361" if radio.simulation.num_channels > 1 else "ad9364" if radio.ad9364 else "ad9363a"
    attributes = {
        "hw_model": f"Analog Devices PlutoSDR Rev.C (Z7010-{model.upper()})",
        "hw_model_variant": "0",
        "hw_serial": f"hil-sim-{radio.simulation.seed:08x}",
        "fw_version": FIRMWARE,
        "ad9361-phy,xo_correction": str(radio.chip.xo_correction_hz),
        "ad9361-phy,model": model,
        "local,kernel": "simulated",
    }
    cores = (_phy(radio), _xadc(radio), _transmit_core(radio), _receive_core(radio))
    devices = (*cores, describe_tdd(radio.tdd), describe_pins(radio.tdd))
    return Context("local", "Simulated ADALM-PLUTO", attributes, devices)


# --------------------------------------------------------------------------------------------------------- ad9361-phy


def _phy(radio: Radio) -> Device:
    chip = radio.chip
    channels = (
        Channel("altvoltage0", True, _oscillator(radio, chip.rx), name="RX_LO"),
        Channel("altvoltage1", True, _oscillator(radio, chip.tx), name="TX_LO"),
        *(Channel(f"voltage{channel}", False, _receive_path(radio, channel)) for channel in range(len(chip.inputs))),
        *(Channel(f"voltage{channel}", True, _transmit_path(radio, channel)) for channel in range(len(chip.inputs))),
        Channel("temp0", False, {"input": integer(lambda: 1e3 * _temperature_c(radio))}),
        Channel("out", False, {"voltage_filter_fir_en": flag(lambda: chip.fir_enabled, chip.enable_fir)}),
    )
    attributes = {
        **choice("ensm_mode", ENSM_MODES, lambda: chip.ensm_mode, partial(setattr, chip, "ensm_mode")),
        **choice("calib_mode", CALIBRATION_MODES, lambda: chip.calibration_mode, partial(_calibrate, radio)),
        "filter_fir_config": Attribute(lambda: str(chip.fir or "FIR Rx: 0,0 Tx: 0,0"), chip.load_fir),
        "rx_path_rates": Attribute(lambda: chip.clocks.describe("ADC", "R", "RXSAMP")),
        "tx_path_rates": Attribute(lambda: chip.clocks.describe("DAC", "T", "TXSAMP")),
        "xo_correction": integer(lambda: chip.xo_correction_hz, chip.set_xo_correction),
        "xo_correction_available": constant(span(XO_RANGE_HZ[0], 1, XO_RANGE_HZ[1])),
    }
    debug = {"loopback": _ranged_integer(chip, "loopback", 0, 1)}
    return Device("iio:device0", PHY, channels, attributes, debug)


def _oscillator(radio: Radio, synthesizer: Synthesizer) -> Attributes:
    chip = radio.chip
    return {
        "frequency": integer(lambda: synthesizer.readback_hz, partial(chip.tune, synthesizer)),
        "frequency_available": constant(span(chip.lo_range_hz[0], 1, chip.lo_range_hz[1])),
        "powerdown": flag(lambda: synthesizer.powerdown, partial(chip.set_powerdown, synthesizer)),
    }


def _receive_path(radio: Radio, channel: int) -> Attributes:
    chip, path = radio.chip, radio.chip.inputs[channel]

    def loop(name: str) -> Attribute:
        return flag(lambda: chip.tracking[name], partial(chip.set_tracking, name))

    low_hz, high_hz = RX_BANDWIDTH_HZ[0], min(RX_BANDWIDTH_HZ[1], chip.max_bandwidth_hz)
    return {
        **choice("gain_control_mode", GAIN_MODES, lambda: path.mode, partial(setattr, path, "mode")),
        **choice("rf_port_select", ("A_BALANCED",), lambda: "A_BALANCED", lambda _: None),
        "hardwaregain": decimal(lambda: path.gain_db, partial(chip.set_rx_gain, path), " dB"),
        "hardwaregain_available": Attribute(lambda: span(chip.rx_gain_range_db[1], 1, chip.rx_gain_range_db[2])),
        "rf_bandwidth": _ranged_integer(chip, "rx_bandwidth_hz", low_hz, high_hz),
        "rf_bandwidth_available": constant(span(low_hz, 1, high_hz)),
        "rssi": Attribute(lambda: f"{radio.receiver.rssi_db(channel):.2f} dB"),
        "rf_dc_offset_tracking_en": loop("rf_dc"),
        "bb_dc_offset_tracking_en": loop("bb_dc"),
        "quadrature_tracking_en": loop("quadrature"),
        **_path_rate(radio),
    }


def _transmit_path(radio: Radio, channel: int) -> Attributes:
    chip = radio.chip
    low_hz, high_hz = TX_BANDWIDTH_HZ[0], min(TX_BANDWIDTH_HZ[1], chip.max_bandwidth_hz)
    return {
        **choice("rf_port_select", ("A",), lambda: "A", lambda _: None),
        "hardwaregain": decimal(
            lambda: 0.0 - chip.attenuations_db[channel], partial(chip.set_attenuation, channel), " dB"
        ),
        "hardwaregain_available": constant(span(-MAX_ATTENUATION_DB, 0.25, 0)),
        "rf_bandwidth": _ranged_integer(chip, "tx_bandwidth_hz", low_hz, high_hz),
        "rf_bandwidth_available": constant(span(low_hz, 1, high_hz)),
        **_path_rate(radio),
    }


def _path_rate(radio: Radio) -> Attributes:
    chip = radio.chip
    return {
        "sampling_frequency": truncated(lambda: chip.rate_hz, chip.set_rate),
        "sampling_frequency_available": Attribute(lambda: span(chip.lowest_rate_hz, 1, MAX_RATE_HZ)),
        "filter_fir_en": flag(lambda: chip.fir_enabled, chip.enable_fir),
    }


def _ranged_integer(owner: object, name: str, low: int, high: int) -> Attribute:
    def write(value: int) -> None:
        within(value, low, high, name)
        setattr(owner, name, value)

    return integer(lambda: getattr(owner, name), write)


def _calibrate(radio: Radio, mode: str) -> None:
    """`auto` and `manual` say when; the others run one calibration now, without changing that."""
    if mode in ("auto", "manual"):
        radio.chip.calibration_mode = mode
    elif mode == "tx_quad":
        radio.chip.calibrate_tx()


def _temperature_c(radio: Radio) -> float:
    """Warms up from the start of the world's clock; flickers from second to second."""
    now_s = radio.clock.now_s()
    flicker = random_at(radio.simulation.seed, "temperature", math.floor(now_s)).normal(scale=0.2)
    return WARM_C - (WARM_C - COLD_C) * math.exp(-max(now_s, 0.0) / WARM_UP_S) + flicker


# ---------------------------------------------------------------------------------------------------- converter cores


def _receive_core(radio: Radio) -> Device:
    def set_decimation(factor: int) -> None:
        radio.receiver.decimation = factor
        radio.receiver.restart()

    rates = _core_rate(radio, lambda: radio.receiver.decimation, set_decimation)
    channels = tuple(
        Channel(f"voltage{index}", False, rates, scan=ScanElement(index, "le:S12/16>>0"))
        for index in range(2 * len(radio.chip.inputs))
    )
    debug = {"direct_reg_access": _status_register(radio)}
    return Device("iio:device3", RX, channels, debug_attributes=debug, buffer_attributes=_alignment())


def _transmit_core(radio: Radio) -> Device:
    def set_interpolation(factor: int) -> None:
        radio.transmitter.interpolation = factor
        radio.transmitter.retime()

    rates = _core_rate(radio, lambda: radio.transmitter.interpolation, set_interpolation)
    buffered = tuple(
        Channel(f"voltage{index}", True, rates, scan=ScanElement(index, "le:S16/16>>0"))
        for index in range(2 * len(radio.chip.inputs))
    )
    unheard = (Generator("_Q_" in name) for name in GENERATORS)  # of a second transmitter, which ends in a load
    generators = [*radio.transmitter.dds.generators, *unheard][: len(GENERATORS) * len(radio.chip.inputs)]
    names = [f"TX{channel}{name}" for channel in (1, 2) for name in GENERATORS]
    tones = tuple(
        Channel(f"altvoltage{index}", True, _tone(radio, generator), name=names[index])
        for index, generator in enumerate(generators)
    )
    return Device("iio:device2", TX, buffered + tones, buffer_attributes=_alignment())


def _core_rate(radio: Radio, factor: Callable[[], int], set_factor: Callable[[int], None]) -> Attributes:
    chip = radio.chip

    def write(rate_hz: int) -> None:
        wanted = round(chip.rate_hz / rate_hz) if rate_hz > 0 else 0
        within(wanted if wanted in (1, FPGA_FACTOR) else 0, 1, FPGA_FACTOR, "factor of the FPGA's filter")
        if wanted != factor():
            set_factor(wanted)

    return {
        "sampling_frequency": truncated(lambda: chip.rate_hz // factor(), write),
        "sampling_frequency_available": Attribute(lambda: f"{chip.rate_hz} {chip.rate_hz // FPGA_FACTOR} "),
    }


def _tone(radio: Radio, generator: Generator) -> Attributes:
    dds, chip = radio.transmitter.dds, radio.chip

    def synced(write: Callable[..., None], *arguments: object) -> None:
        """Any write starts all generators together."""
        write(*arguments)
        dds.synced_s = radio.clock.now_s()

    return {
        "raw": flag(lambda: dds.raw, partial(synced, dds.switch)),
        "scale": decimal(lambda: generator.scale, partial(synced, generator.set_scale)),
        "frequency": truncated(
            lambda: generator.readback_hz(chip.rate_hz),
            lambda value: synced(generator.set_frequency, value, chip.rate_hz),
        ),
        "phase": truncated(lambda: generator.phase_mdeg, partial(synced, generator.set_phase)),
        "sampling_frequency": integer(lambda: chip.rate_hz),
    }


def _status_register(radio: Radio) -> Attribute:
    """Register access: `0xADDRESS` selects what is read, `0xADDRESS 0xVALUE` writes. Only the ADC's status exists."""
    selected = STATUS_REGISTER

    def read() -> str:
        lost = selected == STATUS_REGISTER and radio.receiver.lost_samples
        return f"0x{OVERFLOW_BIT if lost else 0:X}"

    def write(text: str) -> None:
        nonlocal selected
        words = [parse_integer(word) for word in text.split()]
        within(len(words), 1, 2, "number of words")
        selected = words[0]
        if words[0] == STATUS_REGISTER and words[1:] and words[1] & OVERFLOW_BIT:
            radio.receiver.forget_lost_samples()

    return Attribute(read, write)


def _alignment() -> Attributes:
    return {"length_align_bytes": constant("8")}


def _xadc(radio: Radio) -> Device:
    temperature = {
        "raw": integer(lambda: 1e3 * _temperature_c(radio) / XADC_SCALE - XADC_OFFSET),
        "offset": constant(str(XADC_OFFSET)),
        "scale": constant(f"{XADC_SCALE:.9f}"),
    }
    supply = {"raw": constant("1372"), "scale": constant("0.732421875")}
    channels = (Channel("temp0", False, temperature), Channel("voltage0", False, supply, name="vccint"))
    return Device("iio:device1", "xadc", channels)
