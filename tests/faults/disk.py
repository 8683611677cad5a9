"""A disk whose power can be cut: an ext4 on a loop device over a file whose every write passes through here.

The file is served by FUSE (linux/fuse.h, 7.31), so this process sees the writes of the kernel to the device, in order,
and its flushes. A cut can fall between any two writes, also in the middle of an fdatasync. What had been flushed
by then is on the disk; of each later write chance keeps all, nothing, or some of its sectors, as of a disk with a
volatile cache.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import random
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.mounts import DETACH, FORCE, called, libc, mounted
from tests.faults.stage import NotHere

SIZE = 64 * 2**20
SECTOR = 512
LARGEST = 2**17
"""Maximum size of a write, as announced to the kernel, bytes."""

# linux/fuse.h: opcodes
GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT = 3, 4, 14, 15, 16, 17, 18, 20, 25, 26
FORGET, INTERRUPT, DESTROY, BATCH_FORGET = 2, 36, 38, 42
UNANSWERED = (FORGET, INTERRUPT, BATCH_FORGET)
NO_SUCH_CALL = 38  # ENOSYS

_IN = struct.Struct("<IIQQIIIHH")  # fuse_in_header: length, opcode, unique, node, ...
_OUT = struct.Struct("<IiQ")  # fuse_out_header: length, error, unique
_RANGE = struct.Struct("<QQIIQII")  # fuse_read_in, fuse_write_in: handle, offset, size, ...


def formatted(path: Path) -> bytearray:
    """The bytes of an empty ext4."""
    with path.open("wb") as file:
        file.truncate(SIZE)
    options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    command = ["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", options, str(path)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        raise NotHere("mkfs.ext4 is not installed") from None
    content = bytearray(path.read_bytes())
    path.unlink()
    return content


class Disk:
    """One life of the disk, until its power is cut. `flushed` is kept in any case, `written` perhaps.

    `dead` is set when the power has failed, `died` is when (UTC ns).
    """

    def __init__(self, content: bytearray) -> None:
        self.flushed = content
        self.written: list[tuple[int, bytes]] = []
        self.dead = threading.Event()
        self.died = 0
        self._now = bytearray(content)
        self._countdown: int | None = None
        self._lock = threading.Lock()
        self._goes_on = threading.Event()

    def cut(self) -> None:
        """The power fails now."""
        with self._lock:
            self._fail()

    def cut_after(self, writes: int) -> None:
        """The power fails after so many more writes and flushes; `dead` is set then."""
        with self._lock:
            self._countdown = writes

    def let_go(self) -> None:
        """Answer again, so that waiting processes can end; no write is kept."""
        self._goes_on.set()

    def remains(self, chance: random.Random) -> bytearray:
        """Return the content of the disk when the power is back."""
        content = bytearray(self.flushed)
        for offset, data in self.written:
            for start, end in _kept(len(data), chance):
                content[offset + start : offset + end] = data[start:end]
        return content

    @contextmanager
    def mounted(self, folder: Path) -> Iterator[None]:
        """The file system in this folder. NotHere where the machine does not allow it."""
        image = folder.with_suffix(".image")
        image.touch()
        with ExitStack() as stack:
            stack.enter_context(self._served(image))
            stack.enter_context(mounted("-t", "ext4", "-o", "loop", str(image), at=folder))
            stack.callback(self.let_go)
            yield

    @contextmanager
    def _served(self, image: Path) -> Iterator[None]:
        """The file `image` is this disk."""
        try:
            device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise NotHere(f"/dev/fuse: {error.strerror}") from error
        target = os.fsencode(image)
        options = f"fd={device},rootmode=100600,user_id={os.getuid()},group_id={os.getgid()}".encode()
        try:
            called("mount -t fuse", libc.mount(b"disk", target, b"fuse", ctypes.c_ulong(0), options))
        except NotHere:
            os.close(device)
            raise
        thread = threading.Thread(target=self._serve, args=(device,), name="disk")
        thread.start()
        try:
            yield
        finally:
            # By force, since a mount namespace made meanwhile may have a copy of the mount.
            libc.umount2(target, FORCE)
            libc.umount2(target, DETACH)
            thread.join()

    def _serve(self, device: int) -> None:
        """Answer the kernel until the file is unmounted."""
        try:
            while True:
                request = os.read(device, LARGEST + 4096)
                _, opcode, unique, *_ = _IN.unpack_from(request)
                if opcode in UNANSWERED:
                    continue
                body = self._answer(opcode, memoryview(request)[_IN.size :])
                error = -NO_SUCH_CALL if body is None else 0
                answer = _OUT.pack(_OUT.size + len(body or b""), error, unique) + (body or b"")
                with contextlib.suppress(FileNotFoundError):  # the process that made the request has ended
                    os.write(device, answer)
        except OSError as error:
            if error.errno not in (errno.ENODEV, errno.ECONNABORTED):  # which say that it is unmounted
                raise
        finally:
            os.close(device)

    def _answer(self, opcode: int, request: memoryview) -> bytes | None:
        """The body of the answer; None for a call that is not known here."""
        known: dict[int, Callable[[memoryview], bytes]] = {
            INIT: _init,
            GETATTR: lambda _: _attributes(),
            SETATTR: lambda _: _attributes(),
            OPEN: lambda _: bytes(16),
            READ: self._read,
            WRITE: self._write,
            FSYNC: self._flush,
            STATFS: lambda _: struct.pack("<5Q4I", 0, 0, 0, 0, 0, 4096, 255, 4096, 0) + bytes(24),
            **dict.fromkeys((RELEASE, FLUSH, DESTROY), lambda _: b""),
        }
        answer = known.get(opcode)
        return answer(request) if answer else None

    def _read(self, request: memoryview) -> bytes:
        _, offset, size, *_ = _RANGE.unpack_from(request)
        return bytes(self._now[offset : offset + size])

    def _write(self, request: memoryview) -> bytes:
        _, offset, size, *_ = _RANGE.unpack_from(request)
        data = bytes(request[_RANGE.size : _RANGE.size + size])
        if self._powered():
            self.written.append((offset, data))
            self._now[offset : offset + size] = data
        return struct.pack("<II", size, 0)

    def _flush(self, request: memoryview) -> bytes:
        if self._powered():
            for offset, data in self.written:
                self.flushed[offset : offset + len(data)] = data
            self.written.clear()
        return b""

    def _fail(self) -> None:
        self.died = self.died or time.time_ns()
        self.dead.set()

    def _powered(self) -> bool:
        """Whether the disk has power. Without power no request is answered until `let_go`."""
        with self._lock:
            if self._countdown is not None:
                self._countdown -= 1
                if self._countdown < 0:
                    self._fail()
        if self.dead.is_set():
            self._goes_on.wait()
            return False
        return True


def _kept(size: int, chance: random.Random) -> Iterator[tuple[int, int]]:
    """Return the part of an unflushed write that reached the disk."""
    draw = chance.random()
    if draw < 0.4:
        yield 0, size
    elif draw < 0.6:
        for start in range(0, size, SECTOR):
            if chance.random() < 0.5:
                yield start, min(start + SECTOR, size)


def _init(request: memoryview) -> bytes:
    """fuse_init_out: no optional features; writes come at once and in order."""
    major, _, readahead, *_ = struct.unpack_from("<4I", request)
    return struct.pack("<4IHHIIHHII", major, 31, readahead, 0, 16, 12, LARGEST, 1, LARGEST // 4096, 0, 0, 0) + bytes(24)


def _attributes() -> bytes:
    """fuse_attr_out of a regular file."""
    attributes = struct.pack("<6Q10I", 1, SIZE, SIZE // 512, 0, 0, 0, 0, 0, 0, 0o100600, 1, 0, 0, 0, 4096, 0)
    return struct.pack("<QII", 1, 0, 0) + attributes
