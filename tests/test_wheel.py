"""The wheel, as a stranger gets it: built, installed into an empty environment, used outside the checkout."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from worldmodel.checkpoint import shipped

ROOT = Path(__file__).parents[1]
MAX_WHEEL_MB = 40


def run(*words: object, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The binaries of an environment that holds the wheel; the tests' own environment lends what it depends on."""
    folder = tmp_path_factory.mktemp("environment")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--python", sys.executable, folder / "venv", cwd=folder)
    binaries = folder / "venv/bin"
    run(uv, "pip", "install", "--python", binaries / "python", "--no-deps", "--offline", wheel, cwd=folder)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(run(binaries / "python", "-c", where, cwd=folder).strip())
    # Folders named in a .pth file are searched after the environment's own, and their .pth files (where the checkout is
    # named) are not read.
    (own / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return binaries


def test_what_the_wheel_holds(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"worldmodel", "envs", "policies"}
    assert not [name for name in names if "__pycache__" in name]
    recipes = {f"worldmodel/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "configs").rglob("*.yaml")}
    weights = {f"worldmodel/checkpoints/{name}/model.safetensors" for name in shipped()}
    scenes = {f"envs/assets/{path.name}" for path in (ROOT / "envs/assets").glob("*.*")}
    assert {"worldmodel/data/open.py", *recipes, *weights, *scenes} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert wheel.stat().st_size < MAX_WHEEL_MB * 1e6


def test_it_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = "import worldmodel, envs, policies; print(worldmodel.__file__, envs.__file__, policies.__file__)"
    places = run(installed / "python", "-c", code, cwd=tmp_path).split()
    assert all(Path(place).is_relative_to(installed.parent) for place in places)
    assert "worldmodel/PushT-v0" in run(installed / "worldmodel", "info", "envs", cwd=tmp_path)


def test_recipes_are_found_by_name(installed: Path, tmp_path: Path) -> None:
    code = "from worldmodel.commands.places import find_recipe; print(find_recipe('configs/tiny.yaml'))"
    assert Path(run(installed / "python", "-c", code, cwd=tmp_path).strip()).is_relative_to(installed.parent)


@pytest.mark.skipif("pusht" not in shipped(), reason="no checkpoint 'pusht' in worldmodel/checkpoints")
def test_the_demo_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    shown = run(installed / "worldmodel", "demo", "--output", tmp_path / "demo", cwd=tmp_path)
    assert "best score in the real environment" in shown
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {"demo.mp4", "demo.gif", "metrics.json"}
