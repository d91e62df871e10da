from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.dot_world import DOT, RED, SIZE_PX, make_episode
from worldmodel.data.augment import Augmentation, augment, check_bodies
from worldmodel.data.embodiments import PUSHT
from worldmodel.types import ActionDim, ActionSpec, Batch, EmbodimentSpec, InputError

ROWS, FRAMES = 24, 3


def make_batch():
    episodes = [make_episode(index, FRAMES + 2) for index in range(ROWS)]
    frames = torch.from_numpy(np.stack([episode.frames["top"][:FRAMES] for episode in episodes]))
    return Batch(
        actions=torch.from_numpy(np.stack([DOT.action.normalise(episode.actions) for episode in episodes])),
        action_mask=torch.ones(ROWS, FRAMES + 2, dtype=torch.bool),
        embodiment=torch.zeros(ROWS, dtype=torch.long),
        latents=encode(frames.flatten(0, 1)).unflatten(0, (ROWS, FRAMES)),
        frames=frames,
        state=torch.from_numpy(np.stack([DOT.normalise_state(episode.state[:FRAMES]) for episode in episodes])),
    )


def encode(frames):
    """Latents are the pixels."""
    return frames.float()


def red_place(frame):
    """Middle of what is red, in [-1, 1], or None where less than the whole dot is seen."""
    redness = (60.0 - (frame - torch.tensor(RED).float()).abs().amax(-1)).clamp_min(0)
    if (redness > 0).sum() < 8:
        return None
    y, x = torch.meshgrid(torch.arange(SIZE_PX), torch.arange(SIZE_PX), indexing="ij")
    middle = torch.stack([((x + 0.5) * redness).sum(), ((y + 0.5) * redness).sum()]) / redness.sum()
    return 2 * middle / SIZE_PX - 1


@pytest.mark.parametrize(
    "config",
    [
        Augmentation(1.0, turn=180.0, shift=0.0, mirror=False),
        Augmentation(1.0, turn=0.0, shift=0.3, mirror=False),
        Augmentation(1.0, turn=180.0, shift=0.2, mirror=True),
    ],
)
def test_places_move_with_the_picture(config):
    torch.manual_seed(0)
    batch = make_batch()
    moved = augment(batch, config, [DOT], encode)
    assert moved.frames is None
    assert (moved.state - batch.state).abs().mean() > 0.05
    # The dot goes to where the action pointed, in the moved picture too.
    torch.testing.assert_close(moved.actions[:, : FRAMES - 1], moved.state[:, 1:])
    seen = [(red_place(moved.latents[i, t]), moved.state[i, t]) for i in range(ROWS) for t in range(FRAMES)]
    pairs = [(place, state) for place, state in seen if place is not None and state.abs().max() < 0.8]
    assert len(pairs) > ROWS
    for place, state in pairs:
        torch.testing.assert_close(place, state, atol=2 / SIZE_PX, rtol=0)


def test_pictures_that_are_only_shifted_keep_their_pixels_and_their_keys():
    torch.manual_seed(0)
    keyboard = ActionSpec((*DOT.action.dims, ActionDim("key", "binary", 0.0, 1.0)), points=DOT.action.points)
    batch, noise = make_batch(), torch.randint(0, 256, (ROWS, FRAMES, SIZE_PX, SIZE_PX, 3), dtype=torch.uint8)
    keys = torch.randint(0, 2, (ROWS, FRAMES + 2, 1)) * 2.0 - 1.0
    batch = replace(batch, frames=noise, latents=encode(noise), actions=torch.cat([batch.actions, keys], -1))
    config = Augmentation(1.0, turn=0.0, shift=0.3, mirror=False)
    moved = augment(batch, config, [replace(DOT, action=keyboard)], encode)
    torch.testing.assert_close(moved.actions[..., 2:], keys, rtol=0, atol=0)
    way = ((moved.state - batch.state)[:, 0] * SIZE_PX / 2).round().int()
    assert (way != 0).any(1).sum() > ROWS // 2
    for row, (x, y) in enumerate(way.tolist()):
        rows, columns = slice(max(y, 0), SIZE_PX + min(y, 0)), slice(max(x, 0), SIZE_PX + min(x, 0))
        from_rows, from_columns = slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)
        expected = noise[row][:, from_rows, from_columns].float()
        torch.testing.assert_close(moved.latents[row][:, rows, columns], expected, rtol=0, atol=0)


def test_only_some_rows_move_and_the_batch_stays_as_it_is():
    torch.manual_seed(0)
    batch = make_batch()
    before = replace(batch, latents=batch.latents.clone(), actions=batch.actions.clone(), state=batch.state.clone())
    moved = augment(batch, Augmentation(0.5), [DOT], encode)
    changed = (moved.state != batch.state).flatten(1).any(1)
    assert changed.sum() == ROWS // 2
    for name in ("latents", "actions", "state"):
        torch.testing.assert_close(getattr(batch, name), getattr(before, name), rtol=0, atol=0)
        torch.testing.assert_close(getattr(moved, name)[~changed], getattr(batch, name)[~changed], rtol=0, atol=0)
    assert augment(batch, Augmentation(0.0), [DOT], encode).latents is batch.latents


def test_actions_that_leave_the_picture_are_masked():
    torch.manual_seed(0)
    moved = augment(make_batch(), Augmentation(1.0, turn=0.0, shift=0.9, mirror=False), [DOT], encode)
    outside = (moved.actions.abs() > 1.05).any(-1)
    assert outside.any()
    torch.testing.assert_close(moved.action_mask, ~outside)


def test_pictures_that_are_not_square_keep_their_angles():
    """A quarter turn of a wide picture brings its middle row into its middle column."""
    torch.manual_seed(0)
    frames = torch.zeros(1, 1, 16, 32, 3, dtype=torch.uint8)
    frames[:, :, 7:9, 12:20] = 255
    batch = Batch(
        actions=torch.tensor([[[0.25, 0.0]]]),  # the right end of the bar: 4 px from the middle
        action_mask=torch.ones(1, 1, dtype=torch.bool),
        embodiment=torch.zeros(1, dtype=torch.long),
        latents=encode(frames),
        frames=frames,
    )
    for _ in range(8):
        moved = augment(batch, Augmentation(1.0, turn=180.0, shift=0.0, mirror=True), [DOT], encode)
        pixels = moved.actions[0, 0] * torch.tensor([16.0, 8.0])
        assert pixels.norm() == pytest.approx(4.0, abs=1e-4)
        assert (moved.latents.sum() / 255 / 3).item() == pytest.approx(16, rel=0.15)


def test_bodies_without_places_are_refused():
    check_bodies([PUSHT, DOT], Augmentation(1.0))
    arm = EmbodimentSpec("arm", ActionSpec((ActionDim("x"), ActionDim("y"), ActionDim("grip")), points=((0, 1),)))
    with pytest.raises(InputError, match="action 2 of 'arm' is not part of a place in the picture"):
        check_bodies([PUSHT, arm], Augmentation(1.0, turn=0.0))
    with pytest.raises(InputError, match="state 0 of 'dot'"):
        check_bodies([replace(DOT, state_points=[])], Augmentation(1.0, mirror=False))
    check_bodies([PUSHT, arm], Augmentation(1.0, turn=0.0, mirror=False))
    with pytest.raises(InputError, match="wanted indices below 2"):
        replace(DOT, state_points=[[0, 2]])
    with pytest.raises(InputError, match="wanted share 0 to 1"):
        Augmentation(share=2.0)
