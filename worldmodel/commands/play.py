"""``worldmodel play``: a browser page on which the dream is played live."""

import argparse

from worldmodel.commands.parsing import add_data, add_engine, declare, natural, positive

ENVIRONMENTS = {"pusht": "PushT-v0"}  # of each body, where neither --env nor --data is given
TEXT = """\
Serves a page, to this machine only, on which mouse or keys drive the dream while
the real environment does the same beside it. Go back to any moment and branch,
let the policy drive, save films and everything played as a LeRobot data set.
"""
EXAMPLES = (
    "worldmodel play",
    "worldmodel play --checkpoint runs/mine/checkpoint --data recordings",
    "worldmodel play --env PushT-v0 --port 8080 --open",
)


def add_to(commands: argparse._SubParsersAction) -> None:
    parser = declare(commands, "play", call, summary="drive the dream live in a browser", text=TEXT, examples=EXAMPLES)
    parser.add_argument(
        "--checkpoint", default="pusht", metavar="C", help="shipped checkpoint, folder, or Hub id (%(default)s)"
    )
    add_engine(parser)
    parser.add_argument("--env", metavar="ID", help="the real environment beside it (that of the checkpoint's body)")
    add_data(parser, required=False)
    parser.add_argument(
        "--output", default="outputs/play", metavar="DIR", help="folder for films and data (%(default)s)"
    )
    parser.add_argument("--port", type=natural, default=8000, metavar="N", help="0 takes a free one (%(default)s)")
    parser.add_argument("--sessions", type=positive, default=4, metavar="N", help="players at once (%(default)s)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def call(args: argparse.Namespace) -> None:
    import errno
    import socket
    import webbrowser

    import uvicorn
    from starlette.applications import Starlette

    from worldmodel.commands.places import check_writable
    from worldmodel.play.lobby import Lobby
    from worldmodel.play.server import HOSTS, MAX_MESSAGE_BYTES, make_app
    from worldmodel.types import InputError

    open_session = opener(args.checkpoint, args.env, args.data, args.engine)
    lobby = Lobby(open_session, check_writable(args.output), limit=args.sessions)
    app: Starlette = make_app(lobby)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOSTS[0], args.port))
    except (OSError, OverflowError) as error:
        used = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        raise InputError(f"port {args.port}: {'in use' if used else error}, wanted a free one (0 finds one)") from error
    listener.listen()  # who comes before the server is up waits
    url = f"http://{HOSTS[0]}:{listener.getsockname()[1]}"
    print(f"play at {url} (Ctrl+C ends it; what you save goes to {args.output})", flush=True)
    if args.open:
        webbrowser.open(url)
    config = uvicorn.Config(
        app,
        log_config=None,  # to set up logging would close the handlers of other libraries, and the streams of some
        log_level="warning",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # raw pictures on the loopback: packing them would cost more than sending them
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listener])


def opener(checkpoint: str, env: str | None, data: str | None, engine: str = "eager"):
    """Returns a function that opens a session, having opened and closed one, so that mistakes are told at once."""
    from worldmodel.checkpoint import load
    from worldmodel.commands.environments import full_id
    from worldmodel.data.open import open_dataset
    from worldmodel.play.real import Real
    from worldmodel.play.session import MAX_FRAMES, Session
    from worldmodel.types import InputError

    if env is not None and data is not None:
        raise InputError("play: both --env and --data, wanted one (recordings are played in the dream alone)")
    model = load(checkpoint, engine=engine)
    if data is not None:
        source = open_dataset(data)
        if not len(source):
            raise InputError(f"{data}: no episodes, wanted one to start from")

        def open_recorded() -> Session:
            return Session(model, source=source)

        open_recorded().close()
        return open_recorded
    body = model.embodiments[0].name
    if env is None and body not in ENVIRONMENTS:
        raise InputError(f"play: no environment is known for embodiment {body!r}, wanted --env or --data")
    name = full_id(env or ENVIRONMENTS[body])

    def open_session() -> Session:
        from policies.recorder import embodiment_of, make_env

        made = make_env(name, max_episode_steps=MAX_FRAMES)
        try:
            return Session(model, Real(made, *model.frame_size), embodiment=embodiment_of(name, made).name)
        except BaseException:
            made.close()
            raise

    open_session().close()
    return open_session
