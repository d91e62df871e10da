import subprocess
import sys
from pathlib import Path

import pytest

from tests.data import test_aloha, test_droid, test_owamcap, test_rlds, test_robomimic
from tests.data.making import write_hdf5
from worldmodel.data.open import FORMATS, detect_format, open_dataset
from worldmodel.types import InputError


def test_hdf5_is_known_by_its_contents(tmp_path: Path):
    path = write_hdf5(tmp_path / "recording.bin")
    assert detect_format(path) == "diffusion_policy"
    source = open_dataset(path, embodiment="pusht")
    assert (len(source), source.path) == (2, str(path))


def test_folders_are_known_by_what_they_hold(tmp_path: Path):
    (tmp_path / "clips" / "deep").mkdir(parents=True)
    (tmp_path / "clips" / "deep" / "a.MP4").touch()
    (tmp_path / "lerobot" / "meta").mkdir(parents=True)
    (tmp_path / "lerobot" / "meta" / "info.json").write_text("{}")
    assert detect_format(tmp_path / "clips") == "video"
    assert detect_format(tmp_path / "lerobot") == "lerobot"


@pytest.mark.parametrize("format", ["aloha", "droid", "lerobot_v21", "owamcap", "rlds", "robomimic"])
def test_every_format_is_found_in_folders_and_files(tmp_path: Path, format: str):
    place = tmp_path / "set"
    place.mkdir()
    if format == "aloha":
        inside = test_aloha.write(place / "episode_0.hdf5")
    elif format == "robomimic":
        inside = test_robomimic.write(place / "task.hdf5", test_robomimic.make_demo())
    elif format == "owamcap":
        inside = test_owamcap.write_recording(place / "a.mcap")
    elif format == "rlds":
        test_rlds.write_set(place)
        inside = next(place.rglob("*.tfrecord-*"))
    elif format == "droid":
        inside = test_droid.write_set(place)
    else:
        (place / "meta").mkdir()
        (place / "meta/info.json").write_text('{"codebase_version": "v2.1"}')
        inside = place
    assert format in FORMATS
    assert detect_format(place) == format
    assert detect_format(inside) == format


def test_names_that_look_like_the_hub():
    assert detect_format("lerobot/pusht_v1.1") == "lerobot"


@pytest.mark.parametrize("path", ["/none/such", "none/such.hdf5", "none/such.mp4", "a/b/c", "../no_such_x"])
def test_missing_file(path: str):
    with pytest.raises(InputError, match=f"{path}: no such file or folder"):
        open_dataset(path)


def test_unknown_contents(tmp_path: Path):
    (tmp_path / "a.hdf5").write_text("not at all")
    with pytest.raises(InputError, match=r"a\.hdf5: unknown format \(begins with b'not at a'\)"):
        open_dataset(tmp_path / "a.hdf5")
    with pytest.raises(InputError, match=r"folder without meta/info\.json, video clips or other recordings"):
        open_dataset(tmp_path)


def test_unknown_words(tmp_path: Path):
    path = write_hdf5(tmp_path / "a.hdf5")
    with pytest.raises(InputError, match="format 'zarr' is unknown, wanted one of: aloha, diffusion_policy"):
        open_dataset(path, format="zarr")
    with pytest.raises(InputError, match="embodiment 'octopus' is unknown, wanted one of: pusht"):
        open_dataset(path, embodiment="octopus")
    with pytest.raises(InputError, match=r"a\.hdf5/meta/info\.json: cannot be read"):
        open_dataset(path, format="lerobot")


def test_opening_loads_only_what_the_format_needs(tmp_path: Path):
    path = write_hdf5(tmp_path / "a.hdf5")
    code = f"""
import sys
from worldmodel.data.open import open_dataset
open_dataset({str(path)!r})[0]
print([name for name in ("lerobot", "decord", "av", "datasets", "lightning", "mujoco") if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_clips_beside_broken_recordings_are_no_video(tmp_path: Path):
    file = test_owamcap.write_recording(tmp_path / "a.mcap")
    file.write_bytes(file.read_bytes()[:5])
    with pytest.raises(InputError, match="looks like owamcap, but none of it can be read, wanted whole files"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path, format="video")) == 1


def test_clips_that_lost_their_annotations_are_no_video(tmp_path: Path):
    (tmp_path / "lab/annotation").mkdir(parents=True)
    (tmp_path / "lab/a.mp4").touch()
    with pytest.raises(InputError, match="looks like droid, but none of it can be read"):
        open_dataset(tmp_path)


def test_a_lerobot_set_that_lost_its_description(tmp_path: Path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(InputError, match=r"meta/info\.json: cannot be read"):
        open_dataset(tmp_path)
