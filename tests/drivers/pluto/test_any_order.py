"""Any order of calls, faults and interrupts: nothing forbidden is radiated, and no carrier stays on unsaid."""

import errno
from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hil.errors import HilError

LOST = [BrokenPipeError(errno.EPIPE, "Broken pipe"), TimeoutError(errno.ETIMEDOUT, "Connection timed out")]


operations = st.lists(
    st.one_of(
        st.tuples(
            st.just("configure"), st.sampled_from([5.53e9, 5.475e9, 2.4e9, 7e9]), st.sampled_from([0, 3, 10, 95])
        ),
        st.tuples(st.just("transmit"), st.sampled_from([0.0, 0.3, 1.0, 1.5]), st.none()),
        st.tuples(st.just("capture"), st.sampled_from([8, 16]), st.none()),
        st.tuples(st.just("quiet"), st.none(), st.none()),
        st.tuples(st.just("gain"), st.sampled_from([10.0, 99.0]), st.none()),
        st.tuples(
            st.just("fault"),
            st.tuples(st.integers(0, 30), st.integers(1, 3)),
            st.sampled_from([*LOST[:2], OSError(errno.EINVAL, "no"), KeyboardInterrupt()]),
        ),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 50.0]), st.none()),
    ),
    max_size=15,
)


@given(operations)
@example([("configure", 5.53e9, 0), ("fault", (5, 2), LOST[0]), ("transmit", 0.0, None)])  # a buffer that stays
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_nothing_is_radiated_outside_the_list_and_no_exception_leaves_the_carrier_on_unsaid(
    make_hardware, wanted, steps
):
    hardware = make_hardware()
    sdr = hardware.driver(max_duration_s=100)
    sdr.open()
    for action, value, more in steps:
        try:
            operate(sdr, hardware, wanted, action, value, more)
        except ValueError:
            continue  # refused before anything was touched
        except (HilError, KeyboardInterrupt) as error:
            if "IT MAY STILL RADIATE" in str(error):
                break
            assert hardware.quiet
    else:
        hardware.heal()
        sdr.close()
        assert hardware.quiet
    assert hardware.crashes == 0
    assert not hardware.forbidden()


def operate(sdr, hardware, wanted, action, value, more):
    if action == "configure":
        sdr.configure(replace(wanted, lo_hz=value, tx_attenuation_db=more))
    elif action == "transmit":
        sdr.transmit(np.full(8, value, dtype=complex))
    elif action == "capture":
        sdr.capture(value)
    elif action == "quiet":
        sdr.quiet()
    elif action == "gain":
        sdr.set_rx_gain(value)
    elif action == "wait":
        hardware.clock.sleep(value)
    else:
        hardware.fail_later(*value, more)
