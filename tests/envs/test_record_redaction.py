"""What must not be recorded is in no picture and in no byte of the events."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from envs.screen.keyboard import Keyboard
from envs.screen.passwords import Fields
from envs.screen.rects import Rect
from envs.screen.redaction import MARGIN_NS, Redaction
from envs.screen.timeline import Timeline
from envs.screen.windows import Desktop, Front
from tests.envs.screen import (
    PATIENCE_S,
    Person,
    events,
    messages,
    needs_screen,
    pictures,
    recording,
    shows,
    virtual_screen,
    wait_until,
)
from worldmodel.data.owamcap import OwamcapSource
from worldmodel.data.owamcap_events import read_messages

BROWSER = shutil.which("chromium-headless-shell") or shutil.which("chromium")
SECRET, OPEN = (200, 30, 90), (20, 120, 220)  # colours
PASSWORD = "xyzxyz"  # letters that nothing else is typed with
APART_S = 0.6  # more than the margin before and after what is redacted


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    with virtual_screen() as name:
        yield name


@pytest.fixture
def person(screen: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    monkeypatch.setenv("DISPLAY", screen)
    someone = Person(screen)
    yield someone
    someone.display.close()  # with all windows


def check_nothing_leaked(path: Path, *words: str) -> None:
    """No picture shows the secret's colour, and no message holds a key of the password or a secret word."""
    file = path.with_name(f"{path.name}.mcap")
    told = list(read_messages(file))
    codes = {ord(letter.upper()) for letter in PASSWORD}
    assert not [contents for _, _, contents in told if contents.get("vk") in codes]
    held = [contents["buttons"] for _, topic, contents in told if topic == "keyboard/state"]
    assert not codes & {code for codes_held in held for code in codes_held}
    everything = json.dumps([contents for _, _, contents in told])
    assert not [word for word in words if word in everything or word.encode() in file.read_bytes()]
    shown = pictures(path)
    assert shown
    assert not [time_ns for time_ns, picture in shown if shows(picture, SECRET)]


def type_slowly(person: Person, text: str) -> None:
    for letter in text:
        person.press(letter, True)
        time.sleep(0.03)
        person.press(letter, False)


def test_by_hotkey(person: Person, tmp_path: Path) -> None:
    window = person.window("plain", (0, 0, 100, 100), OPEN)
    with recording(tmp_path / "x"):
        person.type("before")
        time.sleep(APART_S)
        person.tap("F8")
        window.set_wm_name("secret title")
        person.paint(window, SECRET)
        person.focus(window)
        type_slowly(person, PASSWORD)
        person.press("x", True)  # and still held afterwards
        time.sleep(1.2)
        person.paint(window, OPEN)
        window.set_wm_name("plain")
        person.display.sync()
        time.sleep(0.1)
        person.tap("F8")
        person.type("after")
        person.press("x", False)
        time.sleep(APART_S)
    assert events(tmp_path / "x") == person.sent
    check_nothing_leaked(tmp_path / "x", "secret title")
    marks = [contents for _, contents in messages(tmp_path / "x", "redacted")]
    assert {tuple(mark["reasons"]) for mark in marks} == {("hotkey",), ()}
    assert marks[-1] == {"keys": False, "whole": False, "rects": [], "reasons": []}
    source = OwamcapSource(tmp_path / "x.mcap")
    known = source[0].action_mask
    assert known[0]
    assert known[-1]
    assert not known.all()


def test_excluded_windows(person: Person, tmp_path: Path) -> None:
    beside = person.window("plain", (200, 100, 60, 60), OPEN)
    person.focus(beside)
    with recording(tmp_path / "x", exclude=("my B?nk",)):
        person.type("before")
        time.sleep(APART_S)
        bank = person.window("Welcome to my bank - browser", (10, 10, 80, 60), SECRET)
        person.focus(bank)
        type_slowly(person, PASSWORD)
        for x in range(10, 100, 5):  # it is dragged about
            bank.configure(x=x, y=x)
            person.display.sync()
            time.sleep(0.02)
        menu = person.window("", (150, 10, 30, 30), SECRET)  # of the same program
        time.sleep(0.2)
        menu.destroy()
        bank.destroy()
        person.focus(beside)
        time.sleep(APART_S)
        person.type("after")
        time.sleep(0.4)
        person.window("my bank, seen for a moment", (10, 10, 80, 60), SECRET)
        time.sleep(0.3)
    assert events(tmp_path / "x") == person.sent
    check_nothing_leaked(tmp_path / "x", "bank")
    shown = [picture for _, picture in pictures(tmp_path / "x")]
    assert shows(shown[0], OPEN)
    assert sum(shows(picture, OPEN) for picture in shown) > len(shown) / 2  # the rest of the screen is there
    marks = [contents for _, contents in messages(tmp_path / "x", "redacted")]
    assert any(mark["reasons"] == ["window"] and mark["keys"] and mark["rects"] for mark in marks)
    assert not any(mark["whole"] for mark in marks)


PAGE = """<title>log in</title><body style="margin:0">
<input id=name style="position:absolute;left:20px;top:20px;width:100px;height:30px">
<input id=word type=password style="position:absolute;left:20px;top:80px;width:100px;height:30px">
<iframe srcdoc="<input id=word type=password style='position:absolute;left:10px;top:10px;width:50px;height:20px'>"
  style="position:absolute;left:150px;top:120px;width:100px;height:60px;border:0"></iframe>"""


@contextmanager
def browser(folder: Path) -> Iterator[int]:
    """A browser without a window that shows the page; yields the port of its DevTools."""
    words = ["--remote-debugging-port=0", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    words += ["--disable-component-update", "--disable-sync", "--no-first-run", "--headless", "--window-size=320,240"]
    url = f"data:text/html,{quote(PAGE)}"
    with (folder / "log").open("w") as log:
        command = [str(BROWSER), f"--user-data-dir={folder / 'profile'}", *words, url]
        process = subprocess.Popen(command, stderr=log, start_new_session=True)
    try:
        wait_until(lambda: "DevTools listening" in (folder / "log").read_text())
        yield int(re.search(r"ws://[^:]+:(\d+)/", (folder / "log").read_text())[1])
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # all that it started, too
        process.wait()


@contextmanager
def page(port: int) -> Iterator[Any]:
    from urllib.request import urlopen

    from websockets.sync.client import connect

    with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE_S) as answer:
        (found,) = [target for target in json.load(answer) if target["type"] == "page"]
    with connect(found["webSocketDebuggerUrl"]) as connection:

        def evaluate(expression: str) -> Any:
            message = {"id": 1, "method": "Runtime.evaluate", "params": {"expression": expression}}
            connection.send(json.dumps(message))
            return json.loads(connection.recv())["result"]["result"].get("value")

        yield evaluate


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@needs_screen
def test_password_fields_of_a_browser(person: Person, tmp_path: Path) -> None:
    person.window("page", (0, 0, 320, 240), OPEN)
    with browser(tmp_path) as port, page(port) as evaluate, recording(tmp_path / "x", browser=port):
        wait_until(lambda: evaluate("document.readyState") == "complete")
        evaluate("document.getElementById('name').focus()")
        time.sleep(APART_S)
        person.type("before")
        time.sleep(APART_S)
        evaluate("document.getElementById('word').focus()")
        field = person.window("", (20, 80, 100, 30), SECRET)  # what the browser would show there
        type_slowly(person, PASSWORD)
        evaluate("document.getElementById('word').type = 'text'")  # shown, and still a password
        type_slowly(person, PASSWORD)
        evaluate("document.getElementById('name').focus()")
        field.destroy()
        time.sleep(APART_S)
        person.type("between")
        time.sleep(APART_S)
        evaluate("frames[0].focus(); frames[0].document.getElementById('word').focus()")
        field = person.window("", (160, 130, 50, 20), SECRET)
        type_slowly(person, PASSWORD)
        field.destroy()
        evaluate("window.focus(); document.getElementById('name').focus()")
        time.sleep(2 * APART_S)
        evaluate("document.getElementById('word').focus(); document.getElementById('name').focus()")
        person.tap("x")  # the field had the keyboard for less than a look
        time.sleep(APART_S)
        person.type("after")
        time.sleep(APART_S)
    assert events(tmp_path / "x") == person.sent
    check_nothing_leaked(tmp_path / "x")
    marks = [contents for _, contents in messages(tmp_path / "x", "redacted")]
    assert any(mark["reasons"] == ["password"] and mark["keys"] for mark in marks)
    assert not any(mark["whole"] for mark in marks)
    assert shows(pictures(tmp_path / "x")[-1][1], OPEN)


def test_looks_before_and_after_judge_a_moment() -> None:
    desktop: Timeline[Desktop] = Timeline()
    fields: Timeline[Fields] = Timeline()
    front = Front("plain", Rect(0, 0, 9, 9), 1)
    second = 10**9
    for number in range(20):
        hidden = {7: Rect(number, 0, number + 2, 2)} if 9 <= number <= 10 else {}
        desktop.add(number * second, number * second + 5, Desktop(front, hidden, number == 15))
        fields.add(number * second, number * second + 5, Fields(unknown=number == 18))
    redaction = Redaction(desktop, fields)
    assert redaction.known_ns == 19 * second - MARGIN_NS
    assert redaction.picture(7 * second).rects == ()
    assert redaction.picture(8 * second + second // 2).rects == (Rect(9, 0, 11, 2),)  # it may have come any time
    assert redaction.picture(9 * second + second // 2).rects == (Rect(9, 0, 12, 2),)  # and been anywhere between
    assert redaction.picture(11 * second + MARGIN_NS + 6).rects == ()
    assert [redaction.keys(moment * second // 2) for moment in (27, 29, 31, 33)] == [False, True, True, False]
    assert redaction.picture(17 * second + second // 2).whole
    redaction.toggle(5 * second)
    redaction.toggle(6 * second)
    moments = (5 * second - 1, 5 * second, 6 * second - 1, 6 * second)
    assert [redaction.keys(moment) for moment in moments] == [False, True, True, False]
    assert all(redaction.picture(moment).whole for moment in moments)
    redaction.forget(15 * second)
    assert redaction.keys(15 * second)


def test_keys_of_a_redacted_time_stay_untold() -> None:
    keyboard = Keyboard([16], False)
    assert keyboard.take(65, True, False)
    assert not keyboard.take(66, True, True)
    assert not keyboard.take(65, True, True)  # it repeats
    assert keyboard.held == {16, 65}
    assert keyboard.take(65, False, True)  # its press was told
    assert not keyboard.take(66, True, False)  # it repeats
    assert not keyboard.take(66, False, False)
    assert keyboard.take(66, True, False)
    assert keyboard.held == {16, 66}
    assert not Keyboard([67], True).take(67, False, False)
