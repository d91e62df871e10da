"""The video stream of an opened container, checked before it is decoded."""

from av.container import InputContainer
from av.video.stream import VideoStream


def video_stream(container: InputContainer) -> VideoStream:
    """Returns the first video stream, to be decoded by several threads.

    Raises:
        ValueError: there is none, or its codec is unknown; PyAV crashes when it is told to decode such a stream.
    """
    if not container.streams.video:
        raise ValueError("no video in it")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise ValueError("a codec that is unknown")
    stream.thread_type = "AUTO"
    return stream
