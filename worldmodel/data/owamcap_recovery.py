"""Reads the MCAP file of a recorder that was killed: all whole records, up to one that the end of the file cuts off.

Bytes that are wrong are no reason to stop there: only a record that is longer than the rest of the file may be
missing, and only where its own fields agree with that length.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, McapRecord, Message
from mcap.stream_reader import breakup_chunk
from mcap.writer import MCAP0_MAGIC

RECORD = struct.Struct("<BQ")  # kind and length of what follows
CHUNK_HEAD = struct.Struct("<QQQII")  # two times, size and checksum of the contents, length of the compression's name
MAX_SMALL = 2**16  # of a record that is no chunk


def is_cut(path: Path) -> bool:
    """Tells whether a file lacks the end that every finished MCAP file has.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if file.seek(0, 2) < 2 * len(MCAP0_MAGIC):
            return True
        file.seek(-len(MCAP0_MAGIC), 2)
        return file.read() != MCAP0_MAGIC


def read_cut(path: Path) -> list[tuple[int, str, bytes]]:
    """Returns time in ns, topic and contents of the messages, in the order of time.

    Raises:
        OSError, ValueError: the file cannot be read, or is damaged before its end.
    """
    channels: dict[int, str] = {}
    found: list[tuple[int, str, bytes]] = []
    with path.open("rb") as file:
        if file.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
            raise ValueError("no MCAP file")
        for record in _records(file):
            if isinstance(record, Channel):
                channels[record.id] = record.topic
            elif isinstance(record, Message):
                found.append((record.log_time, channels[record.channel_id], record.data))
    if not found:
        raise ValueError("cut off before the first events")
    return sorted(found, key=lambda message: message[0])


def _records(file: BinaryIO) -> Iterator[McapRecord]:
    size = file.seek(0, 2)
    place = len(MCAP0_MAGIC)
    while place + RECORD.size <= size:
        file.seek(place)
        kind, length = RECORD.unpack(file.read(RECORD.size))
        place += RECORD.size + length
        content = file.read(min(length, max(size - place + length, 0)))
        if place > size:
            _check_cut(kind, length, content)
            return
        stream = ReadDataStream(BytesIO(content))
        if kind == Opcode.CHUNK:
            yield from breakup_chunk(Chunk.read(stream), validate_crc=True)
        elif kind == Opcode.CHANNEL:
            yield Channel.read(stream)
        elif kind == Opcode.MESSAGE:
            yield Message.read(stream, length)
        elif kind not in set(Opcode):
            raise ValueError(f"record of kind {kind} at byte {place - length}")


def _check_cut(kind: int, length: int, content: bytes) -> None:
    """Raises ValueError for a last record whose length cannot be true."""
    if kind != Opcode.CHUNK:
        if length > MAX_SMALL or kind not in set(Opcode):
            raise ValueError(f"record of kind {kind} with {length} bytes")
        return
    if len(content) < CHUNK_HEAD.size:
        return
    name_end = CHUNK_HEAD.size + CHUNK_HEAD.unpack_from(content)[-1]
    if len(content) >= name_end + 8:
        (contents,) = struct.unpack_from("<Q", content, name_end)
        if name_end + 8 + contents != length:
            raise ValueError(f"chunk of {length} bytes with contents of {contents}")
