"""Reads TFRecord files and the ``tf.train.Example`` messages in them, without TensorFlow.

A record is, in little-endian order, the length of its data (8 bytes), the masked CRC32C of these 8 bytes (4), the data,
and the masked CRC32C of the data (4). So damage within the data costs one record, damage to a length all that follow.

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from worldmodel.types import InputError

HEADER = struct.Struct("<QI")  # length, masked CRC of the length
FOOTER = struct.Struct("<I")  # masked CRC of the data


@dataclass(frozen=True)
class Record:
    """Where a record lies.

    Attributes:
        file: that holds it.
        number: of the record in its file, from 0.
        start: first byte of its data.
        length: of its data, in bytes.
        problem: why it cannot be read (then it stands for all that follows in the file too); empty if it may be.
    """

    file: Path
    number: int
    start: int
    length: int
    problem: str = ""


def is_tfrecord(path: Path) -> bool:
    """Tells by the checksum of the first record's length."""
    with path.open("rb") as file:
        return _length(file.read(HEADER.size)) is not None


def find_records(path: Path) -> list[Record]:
    """Lists the records of a file without reading their data.

    Where lengths cannot be trusted any more, the last record of the list carries the problem.
    """
    records: list[Record] = []
    try:
        with path.open("rb") as file:
            size, start = path.stat().st_size, 0
            while start < size or not records:
                file.seek(start)
                length = _length(file.read(HEADER.size))
                start += HEADER.size
                problem = ""
                if length is None:
                    problem = (
                        f"no record header at byte {start - HEADER.size} of {size}, wanted a length and its CRC32C"
                    )
                elif start + length + FOOTER.size > size:
                    problem = f"file ends at byte {size}, wanted {start + length + FOOTER.size}"
                records.append(Record(path, len(records), start, length or 0, problem))
                if problem:
                    break
                start += (length or 0) + FOOTER.size
    except OSError as error:
        records.append(Record(path, len(records), 0, 0, f"cannot be read ({error.strerror}), wanted TFRecords"))
    return records


def read_record(record: Record) -> bytes:
    """Reads the data of a record.

    Raises:
        InputError: they cannot be found, or fail their checksum.
    """
    where = f"{record.file}: record {record.number}"
    if record.problem:
        raise InputError(f"{where}: {record.problem}")
    try:
        with record.file.open("rb") as file:
            file.seek(record.start)
            data, footer = file.read(record.length), file.read(FOOTER.size)
    except OSError as error:
        raise InputError(f"{where}: cannot be read ({error.strerror}), wanted {record.length} bytes") from error
    if len(footer) < FOOTER.size or masked_crc(data) != FOOTER.unpack(footer)[0]:
        raise InputError(f"{where}: {len(data)} bytes fail their CRC32C, wanted a whole record")
    return data


def masked_crc(data: bytes) -> int:
    """Returns the CRC32C of ``data``, rotated and shifted as TFRecord files want it."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def decode_example(data: bytes, where: str) -> dict[str, Sequence[bytes] | Sequence[float] | Sequence[int]]:
    """Decodes a ``tf.train.Example``: feature -> its values, which are all bytes, all floats or all integers.

    Raises:
        InputError: the data are something else.
    """
    try:
        features = _EXAMPLE.FromString(data).features.feature
    except DecodeError as error:
        raise InputError(f"{where}: {len(data)} bytes are no tf.train.Example, wanted one") from error
    kinds = {name: feature.WhichOneof("kind") for name, feature in features.items()}
    return {name: getattr(features[name], kind).value for name, kind in kinds.items() if kind is not None}


def _length(header: bytes) -> int | None:
    if len(header) < HEADER.size:
        return None
    length, crc = HEADER.unpack(header)
    return length if masked_crc(header[:8]) == crc else None


def example_class() -> Any:
    """Makes the message class of tensorflow/core/example/{example,feature}.proto."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tensorflow", syntax="proto3")
    lists = {"BytesList": field.TYPE_BYTES, "FloatList": field.TYPE_FLOAT, "Int64List": field.TYPE_INT64}
    feature = descriptor_pb2.DescriptorProto(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate(lists.items(), start=1):
        file.message_type.add(name=name).field.add(name="value", number=1, label=field.LABEL_REPEATED, type=kind)
        _message_field(feature, name.replace("List", "_list").lower(), number, f".tensorflow.{name}").oneof_index = 0
    file.message_type.append(feature)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=field.LABEL_OPTIONAL, type=field.TYPE_STRING)
    _message_field(entry, "value", 2, ".tensorflow.Feature")
    _message_field(features, "feature", 1, ".tensorflow.Features.FeatureEntry").label = field.LABEL_REPEATED
    _message_field(file.message_type.add(name="Example"), "features", 1, ".tensorflow.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


def _message_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, type_name: str
) -> descriptor_pb2.FieldDescriptorProto:
    field = descriptor_pb2.FieldDescriptorProto
    kind, label = field.TYPE_MESSAGE, field.LABEL_OPTIONAL
    return message.field.add(name=name, number=number, label=label, type=kind, type_name=type_name)


_EXAMPLE = example_class()
