"""Where records go: to the collector in this process, otherwise to a file of this process.

Engines end their workers without running exit handlers, so every record is complete when the call
that makes it returns: one `write` to the file, or one call into the collector.
"""

import json
import os
import sys
import threading
import time

from . import wire

# Answers of the collector, as underspan.h has them.
OK = 0
WANT_KEYFRAME = 1
NOT_RECORDING = 2
ABI_VERSION = 1

_ANCHOR_EVERY_NS = 1_000_000_000
# The collector comes with the CUDA driver, which an engine may load late.
_LOOKS_FOR_COLLECTOR = 600
_DEFAULT_LIMIT_BYTES = 8 << 30
# A number far from those that programs that close and reopen descriptors hand out.
_DESCRIPTOR_FLOOR = 700


class SinkError(Exception):
    """Nothing can be recorded any more."""


class FileSink:
    """One append-only file per process. Frames may come from several threads."""

    def __init__(self, folder):
        self._pid = os.getpid()
        self._written = 0
        limit = os.environ.get("UNDERSPAN_HOOK_MAX_BYTES", "")
        self._limit = int(limit) if limit.isdigit() else _DEFAULT_LIMIT_BYTES
        self._anchored_ns = 0
        self._lock = threading.Lock()
        name = "underspan-hook.{}.{:x}.uhook".format(self._pid, time.monotonic_ns())
        path = os.path.join(folder, name)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        self._descriptor = _moved_up(os.open(path, flags, 0o600))
        facts = os.fstat(self._descriptor)
        self._identity = (facts.st_dev, facts.st_ino)
        self._write(wire.file_head(self._pid))

    def step_begin(self, step_id, n_members, flags, delta):
        """Writes a step with its members when it starts."""
        now = time.monotonic_ns()
        if now - self._anchored_ns > _ANCHOR_EVERY_NS:
            self.anchor(now)
        head = wire.STEP_BEGIN_BODY.pack(
            wire.STEP_BEGIN, flags, n_members, threading.get_native_id(), step_id, now
        )
        self._write(wire.frame(head + delta))

    def step_end(self, step_id, flags, end_ns, sample_ns):
        """Writes a step's end, and when it sampled if that was a call of its own."""
        if sample_ns is None:
            body = wire.STEP_END_BODY.pack(wire.STEP_END, flags, step_id, end_ns)
        else:
            flags |= wire.END_HAS_SAMPLE
            body = wire.STEP_END_BODY.pack(wire.STEP_END, flags, step_id, end_ns)
            body += wire.SAMPLE_TIMES.pack(*sample_ns)
        self._write(wire.frame(body))

    def text(self, kind, text):
        """Writes a process or note frame."""
        self._write(wire.frame(bytes((kind,)) + wire.text_bytes(text, 4096)))

    def request(self, record):
        """Writes a request record."""
        self._write(wire.frame(bytes((wire.REQUEST,)) + record))

    def anchor(self, now):
        """Reads both clocks together, and makes sure the descriptor is still this file."""
        facts = os.fstat(self._descriptor)
        if (facts.st_dev, facts.st_ino) != self._identity:
            self._descriptor = -1
            raise SinkError("the program closed the hook's file")
        self._anchored_ns = now
        before = time.monotonic_ns()
        realtime = time.time_ns()
        after = time.monotonic_ns()
        body = wire.ANCHOR_BODY.pack(
            wire.ANCHOR, realtime, (before + after) // 2, min(after - before, 0xFFFFFFFF)
        )
        self._write(wire.frame(body))

    def _write(self, data):
        with self._lock:
            if self._descriptor < 0:
                raise SinkError("the hook's file is closed")
            if self._written + len(data) > self._limit:
                self._close("the hook's file has reached its limit")
            try:
                written = os.write(self._descriptor, data)
            except OSError as error:
                self._close("the hook's file cannot be written: {}".format(error.strerror))
            if written != len(data):
                self._close("the hook's file could not be written to the end")
            self._written += written

    def _close(self, why):
        """No frame may follow one that was cut short."""
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.close(descriptor)
        except OSError:
            pass
        raise SinkError(why)


class CollectorSink:
    """The C functions the collector exports; see underspan.h."""

    def __init__(self, library):
        import ctypes

        u8p, u32, u64, size = ctypes.c_char_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_size_t
        self._begin = _function(library, "underspan_step_begin", (u64, u32, u32))
        self._members = _function(library, "underspan_members", (u8p, size))
        self._end = _function(library, "underspan_step_end", (u64,))
        self._request = _function(library, "underspan_request", (u8p, size))
        self._note = _function(library, "underspan_note", (u8p, size))
        version = _function(library, "underspan_hook_abi_version", ())()
        if version != ABI_VERSION:
            raise SinkError("the collector's interface is version {}".format(version))

    def step_begin(self, step_id, n_members, flags):
        """OK, WANT_KEYFRAME or NOT_RECORDING."""
        return _checked(self._begin(step_id, n_members, flags))

    def members(self, delta):
        """OK or WANT_KEYFRAME: that the next step describes everything anew."""
        return _checked(self._members(delta, len(delta)))

    def step_end(self, step_id):
        """The step, or its sampling, ended on this thread."""
        _checked(self._end(step_id))

    def text(self, text):
        """Hands over a note."""
        data = wire.text_bytes(text, 4096)
        _checked(self._note(data, len(data)))

    def request(self, record):
        """Hands over a request record."""
        _checked(self._request(record, len(record)))


def find_collector():
    """The collector if it is loaded in this process. Never loads it."""
    path = os.environ.get("UNDERSPAN_COLLECTOR") or os.environ.get("CUDA_INJECTION64_PATH")
    if not path or not hasattr(os, "RTLD_NOLOAD"):
        return None
    try:
        import ctypes

        # PyDLL keeps the interpreter lock: the functions are shorter than handing it over.
        library = ctypes.PyDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
        library.underspan_hook_abi_version
    except (ImportError, OSError, AttributeError):
        return None
    return CollectorSink(library)


class Sinks:
    """The sinks of this process, opened when first needed."""

    def __init__(self):
        self.reset()

    def reset(self):
        """Starts over, as a forked child must: the parent's file is not its own."""
        self._file = None
        self._collector = None
        self._looks_left = _LOOKS_FOR_COLLECTOR
        self._looked_ns = 0
        self._lock = threading.Lock()

    def collector(self):
        """The collector, looked for at most once a second while it is absent."""
        if self._collector is not None or self._looks_left <= 0:
            return self._collector
        now = time.monotonic_ns()
        if self._looked_ns and now - self._looked_ns < _ANCHOR_EVERY_NS:
            return None
        self._looked_ns = now
        self._looks_left -= 1
        try:
            collector = find_collector()
            if collector is not None:
                collector.text(process_facts("process"))
        except Exception as error:
            self.drop_collector(error)
            return None
        self._collector = collector
        return collector

    def drop_collector(self, error):
        """Back to the file, for good."""
        self._collector = None
        self._looks_left = 0
        facts = {"event": "collector_lost", "error": type(error).__name__, "message": str(error)[:200]}
        self.file().text(wire.NOTE, json.dumps(facts, separators=(",", ":")))

    def file(self):
        """The file, made on first use."""
        if self._file is None:
            with self._lock:
                if self._file is None:
                    folder = os.environ.get("UNDERSPAN_HOOK_DIR")
                    if not folder:
                        raise SinkError("no folder for the hook's file")
                    sink = FileSink(folder)
                    sink.text(wire.PROCESS, process_facts("process"))
                    sink.anchor(time.monotonic_ns())
                    self._file = sink
        return self._file

    def request(self, record):
        """Records a request in the collector where there is one, otherwise in the file."""
        collector = self.collector()
        if collector is not None:
            collector.request(record)
        else:
            self.file().request(record)

    def note(self, text):
        """Records a note in the collector where there is one, otherwise in the file."""
        collector = self.collector()
        if collector is not None:
            collector.text(text)
        else:
            self.file().text(wire.NOTE, text)


def process_facts(event):
    """What this process is, as JSON. No path and no argument: they can hold secrets."""
    from . import __version__

    current = sys.modules.get("multiprocessing.process")
    name = current.current_process().name if current else "MainProcess"
    return json.dumps(
        {
            "event": event,
            "pid": os.getpid(),
            "parent_pid": os.getppid(),
            "name": name,
            "python": "{}.{}.{}".format(*sys.version_info[:3]),
            "hook": __version__,
        },
        separators=(",", ":"),
    )


def _function(library, name, argument_types):
    import ctypes

    function = getattr(library, name)
    function.argtypes = argument_types
    function.restype = ctypes.c_int
    return function


def _checked(answer):
    if answer < 0:
        raise SinkError("the collector refused a record ({})".format(answer))
    return answer


def _moved_up(descriptor):
    try:
        import fcntl

        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _DESCRIPTOR_FLOOR)
    except (ImportError, AttributeError, OSError):
        return descriptor
    os.close(descriptor)
    return moved
