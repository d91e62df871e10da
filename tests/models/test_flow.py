from itertools import pairwise

import pytest
import torch

from worldmodel.models.flow import around, euler_step, interpolate, sample_times, time_schedule


def test_time_zero_is_noise_and_one_is_data():
    noise, data = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    times = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    mixed = interpolate(noise, data, times)
    torch.testing.assert_close(mixed[0], noise[0])
    torch.testing.assert_close(mixed[1], data[1])


def test_euler_steps_along_the_true_velocity_follow_the_path():
    noise, data = torch.randn(5), torch.randn(5)
    x = noise
    for now, then in ((0.0, 0.25), (0.25, 0.5), (0.5, 1.0)):
        x = euler_step(x, data, now, then)
        torch.testing.assert_close(x, interpolate(noise, data, torch.tensor(then)))


def test_gaussian_data_is_sampled_with_its_own_mean_and_variance():
    """With the exact denoiser of N(2, 0.5^2), many Euler steps turn noise into that Gaussian."""
    torch.manual_seed(0)
    x, times = torch.randn(20_000), time_schedule(100)
    for now, then in pairwise(times):
        estimate = around(x, torch.full_like(x, 2.0), torch.full_like(x, now), 0.25)
        x = euler_step(x, estimate, now, then)
    assert abs(x.mean() - 2.0) < 0.02
    assert abs(x.std() - 0.5) < 0.02


def test_best_guess_is_the_prior_at_noise_and_the_input_at_data():
    noisy, prior = torch.randn(2, 3), torch.randn(2, 3)
    guess = around(noisy, prior, torch.tensor([0.0, 1.0]), 0.5)
    torch.testing.assert_close(guess[0], prior[0])
    torch.testing.assert_close(guess[1], noisy[1])


def test_share_of_pure_noise():
    times = sample_times((20_000,), 0.4, torch.Generator().manual_seed(0))
    assert abs((times == 0).float().mean() - 0.4) < 0.02
    assert times.max() < 1.0


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="found 0, wanted at least 1"):
        time_schedule(0)
