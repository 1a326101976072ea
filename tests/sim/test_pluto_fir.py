"""Filters of the AD936x: what is a filter, and what it does to the level."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.sim.fir_text import fir_text
from hil.sim.pluto_fir import parse_fir


def config(taps, rx_gain_db=0, tx_gain_db=0, decimation=2, interpolation=2):
    header = f"RX 3 GAIN {rx_gain_db} DEC {decimation}\nTX 3 GAIN {tx_gain_db} INT {interpolation}\n"
    return header + "".join(f"{tx},{rx}\n" for tx, rx in taps)


def test_the_gain_is_the_sum_of_the_coefficients_for_the_receiver_and_its_share_of_a_sample_for_the_transmitter():
    fir = parse_fir(config([(16384, 8192)] * 16, rx_gain_db=-6, tx_gain_db=0, interpolation=4))
    assert fir.rx_gain == 16 * 0.25 / 2
    assert fir.tx_gain == 16 * 0.5 / 4
    assert str(fir) == "FIR Rx: 16,2 Tx: 16,4"


@pytest.mark.parametrize(
    "text",
    ["", config([]), config([(1, 1)] * 15), config([(1, 1)] * 144), config([(1, 1)] * 16).replace("DEC", "DECIMATE")],
)
def test_what_is_no_filter_is_refused(text):
    with pytest.raises(OSError) as caught:
        parse_fir(text)
    assert caught.value.errno == errno.EINVAL


@given(st.floats(521e3, 61.44e6))
def test_the_filter_for_a_rate_costs_6_db_on_transmission_up_to_20_ms_per_s_and_nothing_above(rate_hz):
    fir = parse_fir(fir_text(rate_hz))
    assert fir.rx_gain == pytest.approx(1, rel=1e-3)
    assert fir.tx_gain == pytest.approx(0.5 if rate_hz <= 20e6 else 1, rel=1e-3)
