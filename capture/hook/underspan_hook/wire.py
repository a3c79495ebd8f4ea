"""The bytes of the hook's record, as README.md describes them."""

import binascii
import struct

MAGIC = b"USPHOOK\0"
FORMAT_VERSION = 1
FILE_HEAD = struct.Struct("<8sHHI")
FRAME_HEAD = struct.Struct("<II")

# Frame kinds.
PROCESS = 1
ANCHOR = 2
STEP_BEGIN = 3
STEP_END = 4
REQUEST = 5
NOTE = 6

ANCHOR_BODY = struct.Struct("<BqqI")
STEP_BEGIN_BODY = struct.Struct("<BBIIQq")
STEP_END_BODY = struct.Struct("<BBQq")
SAMPLE_TIMES = struct.Struct("<qq")

# Flags of a step. The low four bits are what the engine itself calls the step.
MODE_UNKNOWN = 0
MODE_PREFILL = 1
MODE_DECODE = 2
MODE_MIXED = 3
STEP_EMPTY = 1 << 4
STEP_SPECULATIVE = 1 << 5
STEP_CONTINUES = 1 << 6

# Flags of a step's end.
END_FAILED = 1 << 0
END_HAS_SAMPLE = 1 << 1

# The delta payload.
DELTA_VERSION = 1
DELTA_KEYFRAME = 1 << 0

# Its operations.
OP_DEFINE = 1
OP_LEAVE = 2
OP_JOIN = 3
OP_ORDER = 4
OP_TOKENS = 5
OP_TOKENS_ALL = 6
OP_COMPUTED = 7
OP_COMPUTED_ALL = 8
OP_DRAFTED = 9
OP_PREEMPTED = 10
OP_RESUMED = 11
OP_FINISHED = 12
OP_FORGET = 13
OP_ENGINE_STEP = 14

# The request record.
REQUEST_VERSION = 1
REQUEST_HEAD = struct.Struct("<BBqq")
SOURCE_VLLM = 1
SOURCE_SGLANG = 2
SOURCE_TRANSFORMERS = 3
SOURCE_ASGI = 4
KEY_MEMBER = 1
KEY_EXTERNAL = 2
KEY_TRACEPARENT = 3
KEY_X_REQUEST_ID = 4
KEY_RECEIVED = 5
KEY_ENDED = 6

_ONE_BYTE = [bytes((value,)) for value in range(128)]


def varint(value):
    """Unsigned LEB128."""
    if 0 <= value < 128:
        return _ONE_BYTE[value]
    if value < 0:
        raise ValueError("a negative number where a count must stand")
    if value < 16384:
        return bytes((value & 127 | 128, value >> 7))
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def varints(numbers):
    """Several, one after the other."""
    if max(numbers) < 128:
        return bytes(numbers)
    return b"".join([_ONE_BYTE[n] if 0 <= n < 128 else varint(n) for n in numbers])


def operation(op, body):
    """One operation of a delta payload: code, length, body."""
    length = len(body)
    if length < 128:
        return bytes((op, length)) + body
    return _ONE_BYTE[op] + varint(length) + body


def frame(body):
    """One frame of the file: length, checksum, body."""
    return FRAME_HEAD.pack(len(body), binascii.crc32(body)) + body


def file_head(pid):
    """The first bytes of a file."""
    return FILE_HEAD.pack(MAGIC, FORMAT_VERSION, FILE_HEAD.size, pid & 0xFFFFFFFF)


def text_bytes(text, limit=1024):
    """UTF-8 of `text`, cut to `limit` bytes. What cannot be encoded is escaped."""
    return str(text).encode("utf-8", "backslashreplace")[:limit]


def request_record(source, realtime_ns, monotonic_ns, fields):
    """A request record from `(key, text or integer)` pairs; empty values are left out."""
    out = bytearray(REQUEST_HEAD.pack(REQUEST_VERSION, source, realtime_ns, monotonic_ns))
    for key, value in fields:
        if value is None or value == "":
            continue
        body = struct.pack("<q", value) if isinstance(value, int) else text_bytes(value)
        out += _ONE_BYTE[key] + varint(len(body)) + body
    return bytes(out)
