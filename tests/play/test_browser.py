"""A person plays: Chromium, the page, the shipped checkpoint, and the mouse."""

import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.commands.running import run
from tests.play.serving import serving, wait_until
from worldmodel.checkpoint import shipped
from worldmodel.commands.play import opener
from worldmodel.data.open import open_dataset
from worldmodel.play.lobby import Lobby

BROWSERS = ("chromium", "chromium-headless-shell", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
PATIENCE_MS = 600_000
LATE_S = 20.0
PLACES = ((0.3, 0.3), (0.15, 0.6), (0.2, 0.85), (0.5, 0.9), (0.85, 0.8))  # of the pointer, as shares of the picture
HELD_FRAMES = 20
NEAR_PX = 4.0
BLUER = 60  # than red: only the pusher is

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is installed"),
    pytest.mark.skipif("pusht" not in shipped(), reason="no checkpoint 'pusht' in worldmodel/checkpoints"),
]


def picture(page: Page, canvas: str) -> np.ndarray:
    read = "c => [c.height, c.width, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]"
    height, width, values = page.locator(canvas).evaluate(read)
    return np.array(values, np.float64).reshape(height, width, 4)[..., :3]


def blueness(frame: np.ndarray) -> np.ndarray:
    """How much bluer than red pixels are, beyond what counts as grey."""
    return np.clip(frame[..., 2] - frame[..., 0] - BLUER, 0, None)


def pusher(frame: np.ndarray) -> np.ndarray:
    """The middle of the bluest disc, x and y in px; a long dream may have paler ones too."""
    weight = blueness(frame)
    assert weight.sum() > 0, "no pusher to be seen"
    around = sum(np.roll(weight, (down, right), (0, 1)) for down in range(-2, 3) for right in range(-2, 3))
    middle = np.array(np.unravel_index(np.argmax(around), weight.shape))
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]]
    weight[np.maximum(abs(rows - middle[0]), abs(columns - middle[1])) > 3] = 0
    return np.array([((columns + 0.5) * weight).sum(), ((rows + 0.5) * weight).sum()]) / weight.sum()


def wait_for_frame(page: Page, number: int) -> None:
    wait_until(lambda: int(page.locator("#line").input_value()) >= number, PATIENCE_MS / 1000, pause_s=0.1)


def test_a_person_plays(tmp_path: Path) -> None:
    expect.set_options(timeout=PATIENCE_MS)
    lobby = Lobby(opener("pusht", None, None), tmp_path / "saved")
    with serving(lobby) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, timeout=PATIENCE_MS)
        page = browser.new_page(viewport={"width": 1100, "height": 800})
        page.set_default_timeout(PATIENCE_MS)
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(f"http://{address}/")
        page.wait_for_selector("body[data-ready]")
        page.locator("#steps").fill("1")
        page.locator("#speed").fill("30")
        seen = play_with_the_mouse(page)
        assert all(np.abs(one - other).max() > BLUER for one, other in pairwise(seen))
        page.screenshot(path=tmp_path / "desktop.png")
        branch(page)
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "wider than a phone"
        page.screenshot(path=tmp_path / "phone.png")
        page.keyboard.press("s")
        expect(page.locator("#status")).to_contain_text("saved to")
        browser.close()
        wait_until(lambda: lobby.count == 0)
    assert wrong == []
    assert run("info", tmp_path / "saved/dataset") == 0
    saved = open_dataset(tmp_path / "saved/dataset")
    assert len(saved) == 2
    assert len(saved[0]) >= HELD_FRAMES * len(PLACES)


def apart(page: Page, place: tuple[float, float]) -> float:
    """Distance in px of the dream from pusher to pointer; while it jumps, there may be none to be seen."""
    shown = picture(page, "#dream")
    if not blueness(shown).any():
        return np.inf
    return float(np.linalg.norm(pusher(shown) - np.array(place) * shown.shape[1]))


def play_with_the_mouse(page: Page) -> list[np.ndarray]:
    """Holds the pointer at each place for a while; returns what the dream showed then."""
    box = page.locator("#screen").bounding_box()
    assert box is not None
    seen = []
    for number, place in enumerate(PLACES, 1):
        page.mouse.move(box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"])
        if number == 1:
            page.mouse.down()
        wait_for_frame(page, HELD_FRAMES * number)
        # On a busy machine the page may hear of the pointer some frames late; follow it the dream must.
        wait_until(lambda place=place: apart(page, place) <= NEAR_PX, LATE_S, pause_s=0.1)
        seen.append(picture(page, "#dream"))
    page.mouse.up()
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Play")
    return seen


def branch(page: Page) -> None:
    """Goes back to frame 40, drives on from there with the keys, and pauses."""
    page.locator("#line").fill("40")
    expect(page.locator("#frame")).to_have_text(re.compile("^40 /"))
    before = picture(page, "#dream")
    assert page.locator("#play").text_content() == "Branch here"
    page.locator("#screen").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    wait_for_frame(page, 46)
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Play")
    assert int(page.locator("#line").get_attribute("max") or 0) < HELD_FRAMES * len(PLACES)
    after = picture(page, "#dream")
    assert pusher(after)[0] > pusher(before)[0]
