import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from policies.batch import one_each
from policies.evaluation import evaluate_policy
from policies.scripted import RandomPolicy
from policies.world_action import BatchWorldActionPolicy
from tests.dot_world import CopyLastModel, DotEnv, DotModel, DotSource
from worldmodel.evaluate import evaluate_dream
from worldmodel.output import whole_file
from worldmodel.panels import difference, enlarge
from worldmodel.report import write_report
from worldmodel.types import InputError
from worldmodel.video_io import write_mp4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    metrics, samples = evaluate_dream(CopyLastModel(), DotSource(), steps=5, max_windows=6, samples=2)
    metrics["policy"], episodes = evaluate_policy(
        DotEnv,
        lambda envs: BatchWorldActionPolicy(DotModel()),
        episodes=3,
        record=1,
        references={"random": one_each(lambda env: RandomPolicy(DotEnv().action_space))},
    )
    write_report(folder, metrics, title="Dots & <lines>", dream=samples, episodes=[episodes[0].film(10.0)])
    return folder


def test_the_page_is_well_formed_and_needs_nothing_else(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    links = re.findall(r"""(?:src|href)=["']?([^"' >]+)""", page)
    assert links
    assert all(link.startswith(("data:image/webp;base64,", "#")) for link in links)
    assert "url(http" not in page
    assert "<script" not in page
    assert "@import" not in page
    assert "Dots &amp; &lt;lines&gt;" in page
    assert len(page) < 8_000_000

    class Balance(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in {"meta", "img", "br", "wbr"}:
                self.open.append(tag)

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            pass

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    parser = Balance()
    parser.feed(page)
    assert parser.open == []


def test_measures_stand_beside_their_references(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    metrics = json.loads((folder / "metrics.json").read_text())
    value = f"{metrics['frames']['changed_psnr_db']:.2f} dB"
    assert f"<td class=value>{value}</td><td><small>copy last frame {value}<br>ceiling 100.00 dB" in page
    assert f"random {metrics['policy']['references']['random']['mean_score']:.3f}" in page


def test_films_play(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    films = [base64.b64decode(data) for data in re.findall(r"data:image/webp;base64,([^\"]+)", page)]
    assert len(films) == 2 * 2 + 1  # two per window, one episode
    with Image.open(io.BytesIO(films[0])) as film:
        assert getattr(film, "n_frames", 1) > 2
    for name in ("dream_0.mp4", "dream_1.mp4", "policy_0.mp4"):
        assert (folder / name).read_bytes()[4:8] == b"ftyp"
    with Image.open(folder / "dream_0.png") as strip:
        assert strip.width > strip.height


def test_plots_take_their_ink_from_the_page(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 4
    assert "currentColor" in page
    assert "#010203" not in page
    ids = re.findall(r'<(?:clipPath|path) id="([^"]+)"', page)
    assert len([i for i in ids if len(i) > 10]) == len({i for i in ids if len(i) > 10})


def test_a_page_without_dream_or_policy_is_shorter(tmp_path: Path) -> None:
    page = write_report(tmp_path, {"policy": {"mean_score": None, "episodes": 1, "seed0": 0}}).read_text()
    assert "n/a" in page
    assert "frames.<wbr>psnr_db" not in page


def test_what_is_not_finite_becomes_null(tmp_path: Path) -> None:
    write_report(tmp_path, {"a": float("nan"), "b": [np.float32(1.5), np.inf], "c": np.arange(2)})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"a": None, "b": [1.5, None], "c": [0, 1]}


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    path.write_text("old")

    def fail() -> None:
        with whole_file(path) as part:
            part.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"film\.gif: No space left"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_pictures_are_enlarged_without_smoothing_and_differences_have_no_sign() -> None:
    small = np.array([[[0, 0, 0], [200, 0, 0]]], np.uint8)
    assert np.array_equal(enlarge(small, 2)[:, :, 0], [[0, 0, 200, 200]] * 2)
    one, other = np.full((1, 1, 3), 10, np.uint8), np.full((1, 1, 3), 40, np.uint8)
    assert np.array_equal(difference(one, other), difference(other, one))
    assert difference(one, other).max() == 60


def test_a_film_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_mp4(tmp_path / "absent" / "film.mp4", np.zeros((3, 31, 33, 3), np.uint8), 7.5)
    assert "film.mp4: the video encoder" in str(caught.value)
    assert "\n" not in str(caught.value)
