"""How long a player waits for the next frame of ``worldmodel play``: dream, real environment, and the way to the page.

    python benchmarks/play.py --output outputs/play.json

Starts the program, plays over its WebSocket as the page does, moving in a circle, and times each answer from sending
the action until both pictures are here. A frame is due every 100 ms in Push-T.
"""

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table
from websockets.sync.client import connect

from worldmodel.output import make_folder, write_json

PROGRAM = "from worldmodel.cli import main; raise SystemExit(main())"
STEPS = (1, 2, 4)


@contextmanager
def playing(words: list[str]) -> Iterator[str]:
    """Runs the program on a free port; yields host and port."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PROGRAM, "play", "--port", "0", "--output", folder, *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                said = process.stdout.readline()
                found = re.search(r"http://(\S+)", said)
                if found is None:
                    raise SystemExit(f"play did not start: {said}")
                yield found[1]
            finally:
                process.terminate()


def measure(address: str, frames: int) -> dict[str, dict[str, float]]:
    """Denoising steps -> milliseconds per frame."""
    result = {}
    with connect(f"ws://{address}/play", origin=f"http://{address}", compression=None) as socket:  # pyright: ignore
        dims = json.loads(socket.recv())["dims"]
        socket.recv()
        for number, steps in enumerate(STEPS):
            socket.send(json.dumps({"type": "start", "number": number}))
            socket.recv()
            times = []
            for t in track(range(frames), f"{steps} steps a frame"):
                waves = (math.sin(t / 8), math.cos(t / 8))
                middles = [(dim["low"] + dim["high"]) / 2 for dim in dims]
                spans = [(dim["high"] - dim["low"]) / 4 for dim in dims]
                action = [
                    middle + span * waves[i % 2] for i, (middle, span) in enumerate(zip(middles, spans, strict=True))
                ]
                begin = time.perf_counter()
                socket.send(json.dumps({"type": "step", "action": action, "steps": steps}))
                answer = socket.recv()
                times.append(1e3 * (time.perf_counter() - begin))
                if not isinstance(answer, bytes):
                    raise SystemExit(f"play answered {answer}")
            percent = statistics.quantiles(times, n=100)
            result[str(steps)] = {"p50_ms": statistics.median(times), "p95_ms": percent[94]}
    return result


def main() -> None:
    """Prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200, help="per number of steps")
    parser.add_argument("--output")
    args, words = parser.parse_known_args()
    with playing(words) as address:
        result = measure(address, args.frames)
    table = Table("denoising steps", "p50, ms", "p95, ms", title="worldmodel play, milliseconds per frame")
    for steps, row in result.items():
        table.add_row(steps, *(f"{value:.1f}" for value in row.values()))
    Console().print(table)
    if args.output:
        output = Path(args.output)
        write_json(make_folder(output.parent) / output.name, result)


if __name__ == "__main__":
    main()
