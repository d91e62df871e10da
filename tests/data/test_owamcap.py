import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from mcap.writer import Writer

from tests.data.making import SHARED
from worldmodel.data import owamcap
from worldmodel.data.owamcap import OwamcapSource, detect
from worldmodel.data.owamcap_events import read_messages
from worldmodel.types import InputError

MS = 10**6
SHOWN_MS = (1000, 1080, 1210, 1300)  # when pictures are taken; the video's clock begins with the first
EVENTS = [
    (900, "window", {"rect": [94, 50, 170, 120]}),  # 64 px wide with 6 px of frame left and right
    (901, "mouse/state", {"x": 110, "y": 60, "buttons": []}),
    (902, "keyboard/state", {"buttons": [179]}),
    (950, "keyboard", {"event_type": "press", "vk": 17}),
    (1050, "keyboard", {"event_type": "press", "vk": 65}),
    (1090, "keyboard", {"event_type": "release", "vk": 65}),  # shorter than a tick
    (1150, "mouse", {"event_type": "move", "x": 132, "y": 82}),
    (1205, "mouse", {"event_type": "click", "x": 132, "y": 82, "button": "left", "pressed": True}),
    (1220, "mouse", {"event_type": "scroll", "x": 132, "y": 82, "dx": 0, "dy": -1}),
    (1230, "mouse", {"event_type": "scroll", "x": 132, "y": 82, "dx": 0, "dy": -2}),
    (1320, "mouse", {"event_type": "click", "x": 2000, "y": 82, "button": "left", "pressed": False}),
    (1330, "keyboard/state", {"buttons": []}),  # the release of 17 was missed
    (1400, "window", {"rect": [0, 0, 1920, 1080]}),
]


def write_video(path: Path) -> None:
    """Picture n is a lossless grey of n * 20."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=1000)
        stream.width = stream.height = 64
        stream.pix_fmt = "bgr0"
        for number, ms in enumerate(SHOWN_MS):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = ms - SHOWN_MS[0], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_recording(
    path: Path,
    events: list[tuple[int, str, Any]] = EVENTS,
    size: int = 64,
    shown_ms: tuple[int, ...] = SHOWN_MS,
    old: bool = False,
    profile: str = "owa",
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    video, messages = path.with_suffix(".mkv"), list(events)
    write_video(video)
    for ms in shown_ms:
        pts = (ms - SHOWN_MS[0]) * MS
        new_style = {"source_shape": [size, size], "media_ref": {"uri": video.name, "pts_ns": pts}}
        old_style = {"original_shape": [size, size], "path": video.name, "pts": pts}
        messages.append((ms, "screen", old_style if old else new_style))
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile, "test")
        topics = sorted({topic for _, topic, _ in messages})
        channels = {topic: writer.register_channel(topic, "json", 0) for topic in topics}
        for ms, topic, message in sorted(messages, key=lambda entry: entry[0]):
            data = message if isinstance(message, bytes) else json.dumps(message).encode()
            writer.add_message(channels[topic], ms * MS, data, ms * MS)
        writer.finish()
    return path


def column(source: OwamcapSource, name: str, index: int = 0) -> list[float]:
    return source[index].actions[:, source.embodiments[0].action.names.index(name)].tolist()


@pytest.mark.parametrize("old", [False, True])
def test_ticks_hold_what_is_in_force_before_the_next_frame(tmp_path: Path, old: bool):
    source = OwamcapSource(write_recording(tmp_path / "x.mcap", old=old))
    (spec,) = source.embodiments
    assert (len(source), source.format, spec.name, spec.fps) == (1, "owamcap", "desktop", 10.0)
    assert spec.action.names == (
        *("pointer_x", "pointer_y", "left", "right", "middle", "scroll_x", "scroll_y"),
        *("key_17", "key_A"),  # 179 is held all the time, but never pressed
    )
    assert (spec.action.points, spec.action.high[:2].tolist()) == (((0, 1),), [64.0, 64.0])
    episode = source[0]
    # Ticks at 1000, 1100, 1200 and 1300 ms.
    assert episode.frames["pixels"][:, 0, 0, 0].tolist() == [0, 20, 20, 60]
    assert column(source, "pointer_x") == [10.0, 32.0, 32.0, 64.0]
    assert column(source, "pointer_y") == [10.0, 32.0, 32.0, 32.0]
    assert column(source, "left") == [0, 0, 1, 0]
    assert column(source, "scroll_y") == [0, 0, -3, 0]
    assert column(source, "key_A") == [1, 0, 0, 0]
    assert column(source, "key_17") == [1, 1, 1, 0]
    assert episode.action_mask.all()
    assert (episode.fps, episode.episode_id) == (10.0, "x/000000")


def test_several_recordings_share_keys_and_canvas(tmp_path: Path):
    write_recording(tmp_path / "a.mcap", [(1050, "keyboard", {"event_type": "press", "vk": 66}), EVENTS[-1]])
    write_recording(
        tmp_path / "b/c.mcap", [*EVENTS[1:], (1000, "mouse", {"event_type": "move", "x": 64, "y": 32})], 128
    )
    source = OwamcapSource(tmp_path)
    assert [source[index].episode_id for index in range(2)] == ["a/000000", "b/c/000000"]
    assert source.embodiments[0].action.names[7:] == ("key_17", "key_A", "key_B")
    assert not source[0].action_mask.any()  # no pointer is known
    assert column(source, "pointer_x", 1)[0] == 32.0  # half of the width


def test_long_recordings_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_recording(tmp_path / "x.mcap")
    whole = OwamcapSource(tmp_path)[0]
    monkeypatch.setattr(owamcap, "EPISODE_TICKS", 3)
    parts = OwamcapSource(tmp_path)
    assert [part.episode_id for part in parts] == ["x/000000", "x/000002"]
    np.testing.assert_array_equal(np.concatenate([part.actions for part in parts]), whole.actions)
    pictures = np.concatenate([part.frames["pixels"] for part in parts])
    np.testing.assert_array_equal(pictures, whole.frames["pixels"])


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "no screen messages over 0.1 s or more"),
        ([(1050, "mouse", {"event_type": "move", "x": 1}), EVENTS[-1]], r"mouse message .*wanted OWA's fields"),
        ([(1050, "keyboard", {"event_type": "press", "vk": None}), EVENTS[-1]], "keyboard message"),
        ([(1050, "screen", {"media_ref": {"uri": "data:", "pts_ns": None}, "shape": [1, 1]})], "screen message"),
        ([(1050, "mouse", b"no json"), EVENTS[-1]], r"not a whole MCAP file \(JSONDecodeError"),
        ([(1050, "mouse", b"[1]"), EVENTS[-1]], "a list in topic mouse"),
        ([(10**8, "mouse/state", {"x": 1, "y": 1, "buttons": []})], "s without an event"),
    ],
)
def test_a_bad_recording_spoils_no_other(tmp_path: Path, events: list[tuple[int, str, Any]], message: str):
    write_recording(tmp_path / "a.mcap")
    write_recording(tmp_path / "b.mcap", events, shown_ms=SHOWN_MS if events else ())
    source = OwamcapSource(tmp_path)
    assert [len(source), len(source[0])] == [2, 4]
    with pytest.raises(InputError, match=message) as caught:
        source[1]
    assert "b.mcap" in str(caught.value)
    assert "\n" not in str(caught.value)


def write_killed(path: Path) -> tuple[bytes, list[int]]:
    """Flushes after every message and never ends; returns the file and its sizes after each message."""
    whole = list(read_messages(write_recording(path)))
    sizes = []
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start("owa", "test")
        channels = {
            topic: writer.register_channel(topic, "json", 0) for topic in sorted({topic for _, topic, _ in whole})
        }
        for time_ns, topic, message in whole:
            writer.add_message(channels[topic], time_ns, json.dumps(message).encode(), time_ns)
            writer.flush()
            sizes.append(file.tell())
    return path.read_bytes(), sizes


def told_or_refused(path: Path) -> list[Any] | None:
    try:
        return list(read_messages(path))
    except InputError as error:
        if str(error).startswith(f"{path}: not a whole MCAP file"):
            return None
        raise


def test_what_a_killed_recorder_left_is_read_up_to_its_end(tmp_path: Path):
    whole = list(read_messages(write_recording(tmp_path / "whole/x.mcap")))
    content, sizes = write_killed(tmp_path / "x.mcap")
    assert list(read_messages(tmp_path / "x.mcap")) == whole
    np.testing.assert_array_equal(
        OwamcapSource(tmp_path / "x.mcap")[0].actions, OwamcapSource(tmp_path / "whole/x.mcap")[0].actions
    )
    for size in range(0, len(content), 7):
        (tmp_path / "x.mcap").write_bytes(content[:size])
        told = told_or_refused(tmp_path / "x.mcap") or []
        assert told == whole[: len(told)]
        assert len(told) >= sum(end <= size for end in sizes)


def test_damage_before_the_end_is_no_end(tmp_path: Path):
    whole = list(read_messages(write_recording(tmp_path / "whole/x.mcap")))
    content, sizes = write_killed(tmp_path / "x.mcap")
    refused = 0
    for place in range(0, sizes[-2], 5):
        (tmp_path / "x.mcap").write_bytes(content[:place] + bytes([content[place] ^ 0x80]) + content[place + 1 :])
        told = told_or_refused(tmp_path / "x.mcap")
        refused += told is None
        assert told in (None, whole)  # damage of an index, which is not needed, does not matter
    assert refused > sizes[-2] / 5 / 3


def test_pauses_and_redacted_keys(tmp_path: Path):
    events = [
        *EVENTS[1:3],
        (990, "recording", {"event": "start", "origin": [94, 50]}),
        (1000, "window", {"rect": [0, 0, 64, 64]}),  # as large as the picture, and elsewhere
        (1150, "mouse", {"event_type": "move", "x": 132, "y": 82}),
        (1110, "redacted", {"keys": True, "whole": False, "rects": [], "reasons": ["window"]}),
        (1120, "redacted", {"keys": False, "whole": False, "rects": [], "reasons": []}),
        (1250, "recording", {"event": "pause", "origin": [94, 50]}),
        (1270, "mouse", {"event_type": "move", "x": 100, "y": 82}),
        (10**8, "recording", {"event": "resume", "origin": [94, 50]}),
        (10**8 + 300, "mouse/state", {"x": 110, "y": 60, "buttons": []}),
    ]
    source = OwamcapSource(write_recording(tmp_path / "x.mcap", events, shown_ms=(1000, 1080, 1210, 10**8 + 10)))
    with pytest.raises(InputError, match="no picture at"):
        source[1]  # there is none in the film; the events tell of it
    assert len(source) == 2
    assert source[0].action_mask.tolist() == [True, False]
    assert column(source, "pointer_x") == [16.0, 38.0]


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2])
def test_truncated_events(tmp_path: Path, share: float):
    write_recording(tmp_path / "a.mcap")
    file = write_recording(tmp_path / "b.mcap")
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    source = OwamcapSource(tmp_path)
    assert [len(source), len(source[0])] == [2, 4]
    with pytest.raises(InputError, match=r"b\.mcap: not a whole MCAP file"):
        source[1]


def test_flipped_bytes_are_found(tmp_path: Path):
    file = write_recording(tmp_path / "x.mcap")
    content = file.read_bytes()
    for place in range(0, len(content), len(content) // 40):
        file.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            assert len(OwamcapSource(file)[0]) == 4
        except InputError as error:
            assert "x.mcap" in str(error)  # noqa: PT017 - either outcome is fine, another exception is not


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_truncated_or_missing_video(tmp_path: Path, share: float):
    video = write_recording(tmp_path / "x.mcap").with_suffix(".mkv")
    content = video.read_bytes()
    video.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"x\.mkv: (cannot be decoded|no picture at)"):
        OwamcapSource(tmp_path)[0]
    video.unlink()
    with pytest.raises(InputError, match=r"x\.mkv: cannot be decoded"):
        OwamcapSource(tmp_path)[0]


def test_a_codec_that_nobody_knows(tmp_path: Path):
    video = write_recording(tmp_path / "x.mcap").with_suffix(".mkv")
    video.write_bytes(video.read_bytes().replace(b"V_FFV1", b"V_none").replace(b"FFV1", b"none"))
    with pytest.raises(InputError, match=r"x\.mkv: cannot be decoded \(a codec that is unknown\)"):
        OwamcapSource(tmp_path)[0]


def test_nothing_to_read_and_other_bodies(tmp_path: Path):
    with pytest.raises(InputError, match="no MCAP file found"):
        OwamcapSource(tmp_path)
    file = write_recording(tmp_path / "x.mcap")
    with pytest.raises(InputError, match="9 actions, 0 state numbers, wanted 2 and 2 for pusht"):
        OwamcapSource(tmp_path, embodiment="pusht")
    file.write_text("no events")
    with pytest.raises(InputError, match=r"none can be read; the first: .*x\.mcap: not a whole MCAP file"):
        OwamcapSource(tmp_path)


def test_detection_looks_inside(tmp_path: Path):
    assert detect(write_recording(tmp_path / "a/x.mcap").parent)
    assert not detect(write_recording(tmp_path / "b/x.mcap", profile="ros2"))
    (tmp_path / "c").mkdir()
    (tmp_path / "c/x.mcap").write_text("no events")
    assert not detect(tmp_path / "c")


@pytest.mark.skipif(not (SHARED / "desktop_owa").exists(), reason="shared data are not here")
def test_real_desktops():
    source = OwamcapSource(SHARED / "desktop_owa")
    assert detect(SHARED / "desktop_owa")
    assert [len(source), source[1].licence] == [2, "MIT"]
    assert [episode.frames["pixels"].shape for episode in source] == [(35, 578, 906, 3), (29, 1018, 1026, 3)]
    names = source.embodiments[0].action.names
    assert {"key_T", "key_E", "key_S", "key_X", "key_32"} <= set(names)
    for episode in source:
        pressed = episode.actions[:, names.index("key_T")]
        assert np.sum(np.diff(pressed, prepend=0) > 0) >= 3  # "test text" was typed
        assert episode.actions[:, names.index("left")].any()
        assert episode.action_mask.all()
