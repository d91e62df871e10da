"""What raw events say that a press was meant for."""

from pathlib import Path

import pytest

from tests.envs.browsing import MISSING, REASON, action, make, place_of

pytestmark = pytest.mark.skipif(MISSING, reason=REASON)
ROLES = """<body style="margin:0; font-size:9px"><button id=button><b>Go</b></button><input type=checkbox id=checkbox>
<label id=label for=checkbox>box</label><p role=tab><a href="#" role=presentation id=tab>one</a></p>
<p id=text>words</p><div role=dialog><p id=said>told</p><button id=closes>x</button></div>"""


def test_the_role_of_what_is_pressed_is_told(tmp_path: Path):
    (tmp_path / "roles.html").write_text(ROLES)
    env, found = make((tmp_path / "roles.html").as_uri()), {}
    try:
        env.reset(seed=0)
        for name in ("button", "checkbox", "label", "tab", "text", "said", "closes"):
            events = env.step(action(place_of(env, f"#{name}"), left=1))[-1]["events"]
            env.step(action(place_of(env, f"#{name}")))
            found[name] = next(event["role"] for event in events if event["kind"] == "press")
    finally:
        env.close()
    roles = {"button": "button", "checkbox": "checkbox", "label": "checkbox", "tab": "tab", "closes": "dialog"}
    assert found == {**roles, "text": None, "said": None}
