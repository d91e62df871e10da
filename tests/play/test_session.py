from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.making import make_episode
from tests.models import tiny
from tests.play.toy import HEIGHT, WIDTH, PlaceableSquare, Square, game
from worldmodel.data.open import open_dataset
from worldmodel.models.world_model import WorldModel
from worldmodel.play import session as playing
from worldmodel.play.saving import save_clip, save_dataset
from worldmodel.play.session import Session
from worldmodel.types import InputError

RNG = np.random.default_rng(0)
ACTIONS = RNG.uniform(0, 28, (20, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> WorldModel:
    return tiny.model(HEIGHT, WIDTH)


class Recordings:
    """Two recordings of the arm."""

    path = "made up"
    embodiments = (tiny.ARM,)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int):
        return make_episode(index, size=64, embodiment="arm")


def test_reality_does_what_it_does_alone(model: WorldModel) -> None:
    played, alone = game(model), Square()
    played.start(3)
    seen = [alone.reset(seed=1003)[0], *(alone.step(action)[0] for action in ACTIONS[:5])]
    for action in ACTIONS[:5]:
        played.step(action)
    assert all(np.array_equal(m.real, s["pixels"]) for m, s in zip(played.line.moments, seen, strict=True))
    assert np.array_equal(played.now.position, seen[-1]["agent_pos"])
    assert played.now.reward == pytest.approx(seen[-1]["agent_pos"][0])


def test_the_dream_is_the_models(model: WorldModel) -> None:
    played = game(model)
    first = played.now.dream
    dreamed = [played.step(action, steps=2).dream for action in ACTIONS[:3]]
    assert dreamed[0].shape == first.shape == (HEIGHT, WIDTH, 3)
    # Another action, the same noise: another dream.
    other = game(model).step(ACTIONS[0] + 20, steps=2).dream
    assert not np.array_equal(other, dreamed[0])
    assert np.array_equal(game(model).step(ACTIONS[0], steps=2).dream, dreamed[0])


@pytest.mark.parametrize("env", [Square, PlaceableSquare])
@pytest.mark.parametrize("at", [0, 2, 17])
def test_a_branch_with_the_same_actions_is_the_same(model: WorldModel, env: type[Square], at: int) -> None:
    played = game(model, env)
    for action in ACTIONS:
        played.step(action)
    before = list(played.line.moments)
    played.seek(at)
    assert len(played.line.moments) == 21
    for action in ACTIONS[at:]:
        played.step(action)
    for one, other in zip(before, played.line.moments, strict=True):
        assert np.array_equal(one.real, other.real)
        # The cache is filled in one pass instead of many: equal up to rounding.
        assert np.abs(one.dream.astype(int) - other.dream).max() <= 1


def test_another_branch_goes_elsewhere(model: WorldModel) -> None:
    played = game(model)
    for action in ACTIONS[:6]:
        played.step(action)
    old = played.line.moments[4]
    played.seek(3)
    new = played.step(ACTIONS[3] + 20)
    assert (played.line.at, len(played.line.moments)) == (4, 5)
    assert not np.array_equal(new.real, old.real)
    assert not np.array_equal(new.dream, old.dream)


def test_every_step_is_in_one_take(model: WorldModel) -> None:
    played = game(model)
    for action in ACTIONS[:6]:
        played.step(action)
    played.seek(3)
    played.step(ACTIONS[3] + 20)
    played.start(1)
    played.step(ACTIONS[0])
    takes = played.takes()
    assert [len(take) for take in takes] == [6, 1, 1]
    assert np.array_equal(takes[0].actions, ACTIONS[:6])
    assert np.array_equal(takes[1].frames["pixels"][0], takes[0].frames["pixels"][3])
    assert takes[0].text == "go to the corner"
    for take in takes:
        played.forget(take)
    assert played.takes() == []
    played.step(ACTIONS[1])
    assert [len(take) for take in played.takes()] == [1]


def test_the_end_is_the_end_until_one_goes_back(model: WorldModel) -> None:
    played = game(model)
    for _ in range(9):
        played.step(np.array([64, 32], np.float32))
        if played.ended:
            break
    assert played.now.success
    assert played.takes()[0].terminated
    with pytest.raises(InputError, match="the episode has ended"):
        played.step(ACTIONS[0])
    played.seek(1)
    assert not played.ended
    played.step(ACTIONS[0])


def test_a_full_time_line_says_so(model: WorldModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "MAX_FRAMES", 2)
    played = game(model)
    played.step(ACTIONS[0])
    assert played.ended


def test_the_policy_drives(model: WorldModel) -> None:
    played = game(model)
    actions = [played.step(None).action for _ in range(playing.EXECUTE)]
    frames = played.line.moments[0].real
    assert frames is not None
    chunk = model.act(frames[None, None], played.line.moments[0].position[None], seed=1)[0]
    assert np.allclose(actions[:6], chunk[:6])


def test_recordings_are_played_in_the_dream_alone(model: WorldModel, tmp_path: Path) -> None:
    played = Session(model, source=Recordings())
    assert played.now.real is None
    first = played.now.dream
    played.step(ACTIONS[0])
    played.step(None)
    played.start(3)  # counted round
    assert not np.array_equal(played.now.dream, first)
    (take,) = played.takes()
    assert (len(take), take.state, take.licence) == (2, None, "unknown")
    assert played.film().ndim == 4
    played.close()


def test_what_is_saved_can_be_read_and_goes_on(model: WorldModel, tmp_path: Path) -> None:
    played = game(model)
    for action in ACTIONS[:3]:
        played.step(action)
    real = [moment.real for moment in played.line.moments]
    path, episodes, frames = save_dataset(played, tmp_path)
    assert (episodes, frames) == (1, 3)
    with pytest.raises(InputError, match="nothing new to save"):
        save_dataset(played, tmp_path)
    played.step(ACTIONS[3])
    save_dataset(played, tmp_path)
    saved = open_dataset(path)
    assert len(saved) == 2
    assert np.array_equal(saved[0].frames["pixels"], np.stack(real[:3]))
    assert np.array_equal(saved[0].actions, ACTIONS[:3])
    assert [save_clip(played, tmp_path).name for _ in range(2)] == ["clip_0001.mp4", "clip_0002.mp4"]


def test_so_many_takes_are_kept_and_can_be_saved(model: WorldModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "MAX_TAKES", 1)
    played = game(model)
    played.step(ACTIONS[0])
    played.seek(0)
    played.step(ACTIONS[1])
    played.seek(0)
    with pytest.raises(InputError, match="save the session first"):
        played.step(ACTIONS[2])
    with pytest.raises(InputError, match="save the session first"):
        played.start(1)
    assert len(played.takes()) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda game: game.step(np.zeros(3, np.float32)), "wanted 2 finite numbers"),
        (lambda game: game.step(np.array([np.nan, 0], np.float32)), "wanted 2 finite numbers"),
        (lambda game: game.step(ACTIONS[0], steps=0), "wanted 1 to 16"),
        (lambda game: game.seek(1), "wanted 0 to 0"),
        (lambda game: game.start(-1), "wanted 0 or more"),
    ],
)
def test_mistakes_change_nothing(model: WorldModel, call, message: str) -> None:
    played = game(model)
    with pytest.raises(InputError, match=message):
        call(played)
    assert len(played.line.moments) == 1


def test_actions_are_kept_within_their_limits(model: WorldModel) -> None:
    assert np.array_equal(game(model).step(np.array([-5, 99], np.float32)).action, [0, 32])


def test_what_cannot_be_played_is_refused(model: WorldModel) -> None:
    with pytest.raises(InputError, match="either an environment or recordings"):
        Session(model)
    with pytest.raises(InputError, match="this model knows"):
        Session(model, source=_Foreign())


class _Foreign(Recordings):
    def __getitem__(self, index: int):
        return replace(super().__getitem__(index), embodiment="other")
