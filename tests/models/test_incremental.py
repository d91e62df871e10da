"""Rollouts with a ring of keys and values against recomputing everything from the first frame on."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.models import tiny
from worldmodel.models.backbone import Backbone
from worldmodel.models.flow import euler_step
from worldmodel.models.planning import act
from worldmodel.models.prediction import predict
from worldmodel.models.sampling import Rollout, clean_inputs, infer_actions

VARIANCE = 0.05
SHAPE = (4, 8, 4)
ALL = slice(None)
# Frames from the start on, the frame that is dreamed included.
Past = tuple[list[Tensor], list[Tensor]]


def make(time_attention: str, history: int = 2, time_every: int = 2) -> Backbone:
    config = replace(tiny.CONFIG, time_attention=time_attention, history=history, time_every=time_every)
    return tiny.backbone(config).requires_grad_(False)


def recompute(
    network: Backbone,
    body: Tensor,
    past: Past,
    frame: Tensor,
    action: Tensor | None,
    *,
    time: float,
    action_time: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """One sample, uncached: what is said of its newest frame."""
    frames, actions = past
    latents = torch.stack([*frames, frame])[None]
    known = torch.stack([*actions, torch.zeros(3) if action is None else action])[None]
    inputs = clean_inputs(network, latents, known, body[None])
    inputs.clock, inputs.action_clock = inputs.clock.clone(), inputs.action_clock.clone()
    inputs.clock[:, -1], inputs.action_clock[:, -1] = time, action_time
    inputs.action_known[:, -1] = action is not None
    outputs = predict(network, inputs, VARIANCE)
    return outputs.latents[0, -1], outputs.actions[0, -1], outputs.readout[0, -1]


def dream_uncached(
    network: Backbone, body: Tensor, past: Past, noise: Tensor, action: Tensor | None, steps: int
) -> tuple[Tensor, Tensor]:
    frame = noise
    for step in range(steps):
        now = step / steps
        guess, _, _ = recompute(network, body, past, frame, action, time=now, action_time=1.0)
        frame = euler_step(frame, guess, now, (step + 1) / steps)
    _, _, readout = recompute(network, body, past, frame, action, time=1.0, action_time=1.0)
    return frame, readout


@pytest.mark.parametrize(
    ("time_attention", "history", "time_every", "seed"),
    [("all", 2, 2, 0), ("all", 0, 3, 1), ("position", 2, 2, 2), ("position", 2, 3, 3), ("position", 0, 2, 4)],
)
def test_a_hundred_frames_equal_recomputation(time_attention: str, history: int, time_every: int, seed: int) -> None:
    """Any batch, any length of context, and starting anew at any moment, some samples or all."""
    network = make(time_attention, history, time_every)
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    def begin(count: int) -> tuple[Tensor, Tensor]:
        length = int(torch.randint(1, 9, (), generator=generator))
        return draw(count, length, *SHAPE), draw(count, length, 3).clamp(-1, 1)

    size = int(torch.randint(1, 4, (), generator=generator))
    bodies = torch.randint(0, 2, (size,), generator=generator)
    rollout = Rollout(network, bodies, VARIANCE, range(size))
    frames, actions = begin(size)
    rollout.observe(frames, actions)
    pasts: list[Past] = [(list(frames[row]), list(actions[row])) for row in range(size)]
    for number in range(100):
        if number % 17 == 13:
            rows = torch.randperm(size, generator=generator)[: int(torch.randint(1, size + 1, (), generator=generator))]
            frames, actions = begin(len(rows))
            rollout.restart(rows, frames, actions, [1000 + number + int(row) for row in rows])
            for row, new in enumerate(rows.tolist()):
                pasts[new] = (list(frames[row]), list(actions[row]))
        action = draw(size, 3).clamp(-1, 1)
        noises = [torch.randn(SHAPE, generator=g.clone_state()) for g in rollout.generators]
        frame = rollout.dream(action, steps=1 + number % 3)
        assert rollout.readout is not None
        for row, past in enumerate(pasts):
            if (
                number % 10 == 9 or len(past[0]) < 6
            ):  # the first ones, where the ring is not full, and some of the others
                wanted, readout = dream_uncached(network, bodies[row], past, noises[row], action[row], 1 + number % 3)
                torch.testing.assert_close(frame[row], wanted, atol=1e-5, rtol=0)
                torch.testing.assert_close(rollout.readout[row], readout, atol=1e-5, rtol=0)
            past[0].append(frame[row])
            past[1].append(action[row])


@pytest.mark.parametrize("time_attention", ["all", "position"])
def test_joint_dreams_equal_recomputation(time_attention: str) -> None:
    network = make(time_attention)
    frames = torch.randn(1, 3, *SHAPE)
    rollout = Rollout(network, torch.tensor([1]), VARIANCE, [5])
    rollout.observe(frames, torch.zeros(1, 3, 3))
    past: Past = (list(frames[0]), list(torch.zeros(3, 3)))
    for _ in range(12):
        generator = rollout.generators[0].clone_state()
        frame, action = torch.randn(SHAPE, generator=generator), torch.randn(3, generator=generator)
        for now, then in ((0.0, 0.5), (0.5, 1.0)):
            frame_guess, action_guess, _ = recompute(
                network, torch.tensor(1), past, frame, action, time=now, action_time=now
            )
            frame = euler_step(frame, frame_guess, now, then)
            action = euler_step(action, action_guess, now, then)
        got_frame, got_action = rollout.dream_jointly(2)
        torch.testing.assert_close(got_frame[0], frame, atol=1e-5, rtol=0)
        torch.testing.assert_close(got_action[0], action, atol=1e-5, rtol=0)
        past[0].append(got_frame[0])
        past[1].append(got_action[0])


def test_real_frames_may_follow_dreamed_ones() -> None:
    network = make("position")
    latents, actions = torch.randn(2, 12, *SHAPE), torch.rand(2, 12, 3)
    whole, pieces = (Rollout(network, torch.tensor([0, 1]), VARIANCE, [0, 1]) for _ in range(2))
    whole.observe(latents, actions)
    pieces.observe(latents[:, :5], actions[:, :5])
    pieces.observe(latents[:, 5:], actions[:, 5:])
    torch.testing.assert_close(pieces.readout, whole.readout, atol=1e-5, rtol=0)
    action = torch.rand(2, 3)
    torch.testing.assert_close(pieces.dream(action, 2), whole.dream(action, 2), atol=1e-5, rtol=0)


def test_what_hardly_changes_or_comes_back_is_taken_from_where_it_was() -> None:
    network = make("position")
    latents, actions, bodies = 0.2 * torch.randn(2, 4, *SHAPE), torch.rand(2, 4, 3), torch.tensor([0, 1])
    free, settled = (Rollout(network, bodies, VARIANCE, [0, 1], still_change=least) for least in (0.0, 0.5))
    for rollout in (free, settled):
        rollout.observe(latents, actions)
    dreamed, found = free.dream(actions[:, 0], 2), settled.dream(actions[:, 0], 2)
    changes = (dreamed.unsqueeze(1) - latents).square().mean(-1)
    least, frame = changes.min(1)
    assert 0 < (least < 0.5).float().mean() < 1
    assert len(frame[least < 0.5].unique()) > 1  # from several frames
    nearest = latents.gather(1, frame[:, None, ..., None].expand(-1, 1, -1, -1, SHAPE[-1])).squeeze(1)
    torch.testing.assert_close(found, torch.where((least < 0.5).unsqueeze(-1), nearest, dreamed))


def test_without_noise_every_seed_dreams_the_same() -> None:
    network, latents, actions = make("position"), torch.randn(1, 4, *SHAPE).repeat(2, 1, 1, 1, 1), torch.rand(2, 4, 3)
    bodies, frames = torch.tensor([0, 0]), []
    for scale in (0.0, 1.0):
        rollout = Rollout(network, bodies, VARIANCE, [0, 1], noise_scale=scale)
        rollout.observe(latents, actions[:1].expand(2, -1, -1))
        rollout.restart(torch.tensor([1]), latents[:1], actions[:1], [7])
        frames += [rollout.dream(actions[:1, 0].expand(2, -1), 1), rollout.dream_jointly(1)[0]]
    same = [torch.allclose(frame[0], frame[1], atol=1e-5) for frame in frames]
    assert same == [True, False, False, False], "noisy actions stay"


def test_nothing_is_taken_from_frames_that_were_not_there() -> None:
    network = make("position")
    latents, actions, bodies = 1e3 + torch.randn(2, 4, *SHAPE), torch.rand(2, 4, 3), torch.tensor([0, 1])
    rollout = Rollout(network, bodies, VARIANCE, [0, 1], still_change=torch.inf)
    rollout.observe(latents, actions)
    rollout.restart(torch.tensor([1]), latents[:1, -1:], actions[:1, -1:], [5])
    frame = rollout.dream_jointly(2)[0]
    torch.testing.assert_close(frame[1], latents[0, -1])
    cells = (frame[0] == latents[0]).all(-1)
    assert cells.any(0).all()


def test_a_dream_does_not_depend_on_its_company() -> None:
    network = make("all")
    latents, actions = torch.randn(3, 4, *SHAPE), torch.rand(3, 6, 3)
    together = Rollout(network, torch.tensor([0, 1, 0]), VARIANCE, [7, 8, 9])
    alone = Rollout(network, torch.tensor([1]), VARIANCE, [8])
    together.observe(latents, actions[:, :4])
    alone.observe(latents[1:2], actions[1:2, :4])
    for t in (4, 5):
        frames = together.dream(actions[:, t], 2)
        torch.testing.assert_close(alone.dream(actions[1:2, t], 2)[0], frames[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("known", [True, False])
def test_memory_begins_anew_once_it_would_lose_a_frame(known: bool) -> None:
    network, window = make("position"), make("position").config.window
    latents, actions, bodies = torch.randn(2, window + 2, *SHAPE), torch.rand(2, window + 2, 3), torch.tensor([0, 1])
    led = actions if known else None

    def begun(first: int, last: int, refresh: int, rows: slice = ALL) -> Rollout:
        rollout = Rollout(network, bodies[rows], VARIANCE, [7, 8][rows], refresh=refresh)
        rollout.observe(latents[rows, first:last], None if led is None else led[rows, first:last])
        return rollout

    def dreamed(rollout: Rollout, rows: slice = ALL) -> Tensor:
        return rollout.dream(None if led is None else led[rows, -1], 2)

    full, sliding = begun(0, window, 3), begun(0, window, 0)
    torch.testing.assert_close(dreamed(full), dreamed(sliding))
    over, anew = begun(0, window + 1, 3), begun(window - 2, window + 1, 0)
    torch.testing.assert_close(dreamed(over), dreamed(anew))
    # One dream that has just begun beside one that goes on.
    both, second = begun(0, window + 1, 3), slice(1, 2)
    both.restart(torch.tensor([1]), latents[1:, :2], None if led is None else led[1:, :2], [8])
    found, alone = dreamed(both), begun(window - 2, window + 1, 0, slice(0, 1))
    torch.testing.assert_close(found[:1], dreamed(alone, slice(0, 1)))
    torch.testing.assert_close(found[1:], dreamed(begun(0, 2, 0, second), second))


def test_memory_stays_flat() -> None:
    config = replace(tiny.CONFIG, width=16, layers=2, time_attention="position")
    rollout = Rollout(tiny.backbone(config).requires_grad_(False), torch.tensor([0]), VARIANCE, [0])
    rollout.observe(torch.randn(1, 2, *SHAPE))

    def held() -> list[tuple[int, ...]]:
        tensors = [rollout.past, rollout.readout, rollout.network.keys, rollout.network.values, rollout.network.frames]
        return [tuple(x.shape) for x in tensors if x is not None]

    before = held()
    for _ in range(2000):
        rollout.dream(None, 1)
    assert held() == before
    assert rollout.network.frames.tolist() == [2002]
    assert rollout.past is not None
    assert rollout.past.isfinite().all()


@pytest.mark.parametrize("time_attention", ["all", "position"])
@pytest.mark.parametrize("frames", [1, 2, 6])
def test_plans_equal_those_of_a_pass_over_everything(time_attention: str, frames: int) -> None:
    network, bodies = make(time_attention), torch.tensor([0, 1])
    latents, state = torch.randn(2, frames, *SHAPE), torch.rand(2, 2)
    plan = act(network, latents, state, bodies, 2, torch.Generator().manual_seed(4))
    inputs = clean_inputs(network, latents, None, bodies)
    inputs.state = torch.zeros(2, frames, 2)
    inputs.state[:, -1] = state
    inputs.state_known = torch.zeros(2, frames, dtype=torch.bool)
    inputs.state_known[:, -1] = True
    chunk = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(4))
    for now, then in ((0.0, 0.5), (0.5, 1.0)):
        inputs.chunk = chunk[:, None, None].expand(-1, frames, -1, -1, -1)
        inputs.chunk_clock = torch.full((2, frames, 1), now)
        estimate = network(inputs, acting=True).chunk
        assert estimate is not None
        chunk = euler_step(chunk, estimate[:, -1, 0], now, then)
    torch.testing.assert_close(plan, chunk, atol=1e-5, rtol=0)


def test_plans_and_inferred_actions_are_repeatable() -> None:
    network, bodies = make("position"), torch.tensor([0, 1])
    latents = torch.randn(2, 10, *SHAPE)
    plans = [act(network, latents, None, bodies, 2, torch.Generator().manual_seed(4)) for _ in range(2)]
    torch.testing.assert_close(*plans, atol=0, rtol=0)
    inferred = [infer_actions(network, latents, bodies, steps=2) for _ in range(2)]
    assert inferred[0].shape == (2, 10, 3)
    torch.testing.assert_close(*inferred, atol=0, rtol=0)
