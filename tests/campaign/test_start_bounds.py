"""What noise alone leaves in doubt of where soundings begin."""

from dataclasses import replace

import pytest

from hil.campaign.estimation_sweeps import align, fft_size_of, lab_channel, used_of
from hil.campaign.soundings import Conditions, sound
from hil.campaign.start_bounds import least_doubt
from hil.config import SweepConfig
from hil.measure.sweep import SweepPlan


def doubts(snr_db, guards=0, direct_db=-10.0):
    """By alignment, and at the least."""
    channel = lab_channel(direct_db, 1)
    plan = SweepPlan.from_config(SweepConfig(scheme="pairs"), channel.num_elements, seed=1)
    fft_size = fft_size_of(channel)
    soundings = sound(channel, plan, Conditions(snr_db), fft_size=fft_size, seed=1)
    found = align(soundings, channel, plan, guards=guards)
    return int(found.ambiguous.sum()), least_doubt(soundings, channel, plan, used_of(channel, guards), fft_size)


@pytest.mark.parametrize("guards", [0, 30])
def test_who_knows_more_doubts_less(guards):
    ambiguous, least = doubts(0.0, guards)
    assert 0 < least.response_known < least.statistics_known
    assert 0.85 < ambiguous / least.statistics_known < 1.5, "what alignment must learn costs little"


def test_without_noise_nothing_is_in_doubt():
    ambiguous, least = doubts(40.0)
    assert (ambiguous, least.response_known, least.statistics_known) == (0, 0, 0)


def test_a_test_that_believes_in_less_noise_than_there_is_doubts_less():
    """The noise is that of the soundings, not assumed."""
    channel = lab_channel(-10.0, 1)
    plan = SweepPlan.from_config(SweepConfig(scheme="pairs"), channel.num_elements, seed=1)
    fft_size = fft_size_of(channel)
    soundings = sound(channel, plan, Conditions(0.0), fft_size=fft_size, seed=1)
    bold = replace(soundings, noise_var=soundings.noise_var / 100)
    least, too_few = (least_doubt(each, channel, plan, used_of(channel, 0), fft_size) for each in (soundings, bold))
    assert too_few.response_known < least.response_known
