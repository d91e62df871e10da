"""Scripted people before real pages: every task that they can do, and wandering."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from policies.people.page_reader import PageReader
from policies.people.scripted_person import SCRIPTS, ScriptedPerson
from policies.people.wanderer import WanderingPerson
from policies.scripted import SCRIPTED, fitting, make_policy
from tests.envs.browsing import MISSING, REASON, make
from tests.policies.test_people_motion import column
from worldmodel.types import InputError, Policy

pytestmark = pytest.mark.skipif(MISSING, reason=REASON)
MOST_TICKS = 150
PLAYGROUND = """<title>Play with it</title><body style="margin:0">
<input id=field><button id=button>Press</button><div id=list style="height:60px; overflow-y:scroll">
<p style="height:400px">much</p></div><div id=behind style="position:relative"><button id=hidden>A</button>
<div style="position:absolute; inset:0; background:grey"></div></div>"""


@pytest.fixture(scope="module")
def env() -> Iterator[Any]:
    """One browser for all tasks."""
    env = make(list(SCRIPTS), timeout_s=120.0)
    yield env
    env.close()


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "page.html").write_text(PLAYGROUND)
    env = make((tmp_path / "page.html").as_uri(), timeout_s=120.0)
    env.reset(seed=0)
    yield env
    env.close()


def play(env: Any, policy: Policy, seed: int, ticks: int = MOST_TICKS) -> tuple[np.ndarray, dict[str, Any]]:
    """The actions of an episode, and what its last step told."""
    observation, info = env.reset(seed=seed)
    policy.reset(seed)
    actions = []
    for _ in range(ticks):
        actions.append(policy.act(observation))
        assert actions[-1] in env.action_space
        observation, _, terminated, truncated, info = env.step(actions[-1])
        if terminated or truncated:
            break
    return np.array(actions), info


@pytest.mark.parametrize("task", SCRIPTS)
def test_a_person_does_the_task(env: Any, task: str):
    env.tasks = (task,)
    _, info = play(env, ScriptedPerson(env), seed=12345)
    assert info["is_success"], (task, env.task_description)


def test_people_follow_from_the_seed(env: Any):
    env.tasks = ("login-user",)
    one, again, other = (play(env, ScriptedPerson(env), 7)[0], play(env, ScriptedPerson(env), 7)[0], None)
    np.testing.assert_array_equal(one, again)
    clumsy = ScriptedPerson(env, noise=0.5)
    other, info = play(env, clumsy, 7)
    assert len(other) > len(one)
    assert info["is_success"]


def test_a_person_rests_when_the_page_has_judged(env: Any):
    env.tasks, env.hold = ("click-test",), 12
    try:
        actions, info = play(env, ScriptedPerson(env), 3)
    finally:
        env.hold = 1
    left = column(actions, "left")
    assert (sum(left), len(left) - 1 - left.index(1.0)) == (1, 12)  # the release is judged
    assert len(np.unique(actions[-11:, 0])) > 2  # though not still
    assert info["is_success"]


def test_wandering_does_everything(playground: Any):
    kinds: set[str] = set()
    targets: set[str] = set()
    person = WanderingPerson(playground)
    observation, _ = playground.reset(seed=1)
    person.reset(1)
    for _ in range(250):
        observation, *_, info = playground.step(person.act(observation))
        kinds |= {event["kind"] for event in info["events"]}
        targets |= {event["target"] for event in info["events"] if event["kind"] == "press"}
    assert kinds == {"move", "press", "release", "wheel", "key_down", "key_up"}
    assert {"input#field", "button#button"} <= targets


def test_wandering_follows_from_the_seed(playground: Any):
    person = WanderingPerson(playground)
    one, again, other = (play(playground, person, seed, 40)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_things_are_read_where_they_can_be_hit(playground: Any):
    reader = PageReader(playground)
    (button,) = reader.find("#button")
    assert (button.tag, button.name, button.text, button.in_sight) == ("button", "button", "Press", True)
    x, y, width, height = button.box
    inside = (button.spots[:, :2] > (x, y)) & (button.spots[:, :2] < (x + width, y + height))
    assert inside.all()
    best = button.spots[button.spots[:, 2].argmax()]
    np.testing.assert_allclose(best[1], button.middle[1], atol=2)
    (hidden,) = reader.find("#hidden")
    assert not hidden.in_sight
    assert reader.in_sight("#hidden, #button")[0].name == "button"
    assert not reader.judged


def test_a_page_that_is_gone_is_left_to_the_next_step(env: Any, monkeypatch: pytest.MonkeyPatch):
    env.tasks = ("click-test",)
    observation, _ = env.reset(seed=0)
    person, wanderer = ScriptedPerson(env), WanderingPerson(env)

    def hang(self: Any, expression: str) -> Any:
        raise RuntimeError("the browser does not answer")

    monkeypatch.setattr(type(env), "evaluate", hang)
    for policy in (person, wanderer):
        policy.reset(0)
        for _ in range(20):
            assert policy.act(observation) in env.action_space


def test_names(env: Any):
    env.tasks = ("click-test", "use-slider")
    assert fitting(SCRIPTED, env) == ["random", "idle", "expert", "noisy-expert", "wander"]
    env.tasks = ("click-test", "bisect-angle")
    assert fitting(SCRIPTED, env) == ["random", "idle", "wander"]
    with pytest.raises(InputError, match=r"can do task 'bisect-angle', wanted one of: choose-list, .*use-spinner"):
        make_policy("expert", env)
    pusht = gymnasium.make("envs:worldmodel/PushT-v0", size=16)
    with pytest.raises(InputError, match=r"people: PushT has no 'evaluate', wanted Browser-v0"):
        make_policy("wander", pusht)
    pusht.close()
