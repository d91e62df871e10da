"""Video without actions at a lower rate: every so many-th picture, so that it moves as fast as other recordings do."""

from collections.abc import Sequence
from dataclasses import replace

from worldmodel.types import EmbodimentSpec, Episode, EpisodeSource, InputError


class Resampled:
    """A source whose episodes have fewer pictures per second.

    Args:
        source: recordings without known actions.
        fps: pictures per second that are wanted; each episode's own rate is divided by the nearest whole number.

    Raises:
        InputError: a rate that is not positive; while reading, an episode whose actions are known, since leaving out
            pictures would part them from what they lead to.
    """

    def __init__(self, source: EpisodeSource, fps: float) -> None:
        if not fps > 0:
            raise InputError(f"fps: found {fps}, wanted a positive rate")
        self.source, self.fps = source, fps
        self.path = source.path
        self.embodiments: Sequence[EmbodimentSpec] = [replace(body, fps=fps) for body in source.embodiments]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Episode:
        episode = self.source[index]
        if episode.action_mask.any():
            where = f"{episode.source}: episode {episode.episode_id}"
            raise InputError(f"{where}: has actions, wanted none where pictures are left out (fps {self.fps:g})")
        every = max(1, round(episode.fps / self.fps))
        rows = slice(None, None, every)
        return replace(
            episode,
            frames={name: frames[rows] for name, frames in episode.frames.items()},
            actions=episode.actions[rows],
            action_mask=episode.action_mask[rows],
            state=None if episode.state is None else episode.state[rows],
            reward=None if episode.reward is None else episode.reward[rows],
            success=None if episode.success is None else episode.success[rows],
            fps=episode.fps / every,
            events=episode.events if every == 1 else None,
        ).validate()
