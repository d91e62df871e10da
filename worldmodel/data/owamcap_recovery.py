"""Reads the MCAP file of a recorder that was killed: all whole records, up to one that the end of the file cuts off.

Bytes that are wrong are no reason to stop there: only a record that is longer than the rest of the file may be
missing, and only where its own fields agree with that length.
"""

import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Attachment, Channel, Chunk, Header, McapRecord, Message, MessageIndex, Metadata, Schema
from mcap.stream_reader import breakup_chunk
from mcap.writer import MCAP0_MAGIC

RECORD = struct.Struct("<BQ")  # kind and length of what follows
CHUNK_HEAD = struct.Struct("<QQQII")  # two times, size and checksum of the contents, length of the compression's name
INDEX_HEAD_BYTES = 2  # of an index, before it counts itself
COUNTERS: dict[int, struct.Struct] = {Opcode.CHUNK: struct.Struct("<Q"), Opcode.MESSAGE_INDEX: struct.Struct("<I")}
MAX_SMALL = 2**16  # of other records
DATA_END_BYTES = 4
# Kinds of records that come before the end. Messages lie in chunks, which have checksums.
READERS: dict[int, Callable[[ReadDataStream], McapRecord]] = {
    Opcode.HEADER: Header.read,
    Opcode.SCHEMA: Schema.read,
    Opcode.CHANNEL: Channel.read,
    Opcode.CHUNK: Chunk.read,
    Opcode.MESSAGE_INDEX: MessageIndex.read,
    Opcode.ATTACHMENT: Attachment.read,
    Opcode.METADATA: Metadata.read,
}


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
        if kind == Opcode.DATA_END and length == DATA_END_BYTES:
            return
        if kind not in READERS:
            raise ValueError(f"record of kind {kind} at byte {place}")
        place += RECORD.size
        content = file.read(min(length, size - place))
        if len(content) < length:
            _check_cut(kind, length, content)
            return
        stream = ReadDataStream(BytesIO(content))
        record = READERS[kind](stream)
        if stream.count != length:
            raise ValueError(
                f"record of kind {kind} at byte {place} with {length} bytes, of which {stream.count} are used"
            )
        yield from breakup_chunk(record, validate_crc=True) if isinstance(record, Chunk) else [record]
        place += length


def _check_cut(kind: int, length: int, content: bytes) -> None:
    """Raises ValueError for a last record whose length cannot be true."""
    before = None  # bytes before those that a field counts
    if kind == Opcode.CHUNK and len(content) >= CHUNK_HEAD.size:
        before = CHUNK_HEAD.size + CHUNK_HEAD.unpack_from(content)[-1]
    elif kind == Opcode.MESSAGE_INDEX:
        before = INDEX_HEAD_BYTES
    counter = COUNTERS.get(kind)
    if counter is None:
        if length > MAX_SMALL:
            raise ValueError(f"record of kind {kind} with {length} bytes")
    elif before is not None and len(content) >= before + counter.size:
        (counted,) = counter.unpack_from(content, before)
        if before + counter.size + counted != length:
            raise ValueError(f"record of kind {kind} with {length} bytes, which counts {counted} itself")
