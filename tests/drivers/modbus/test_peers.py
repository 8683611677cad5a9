"""Frames checked by other programs: Wireshark finds no malformed frame, and mbpoll sends the same frames.

The bytes are recorded by a relay and not captured from a network, so that the test does not need root.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from wattgram_drivers.driver_errors import Refused
from wattgram_drivers.endpoint import parse
from wattgram_drivers.modbus.bus import Bus

from tests.support import libmodbus
from tests.support import misbehaving_device as bad

Chunk = tuple[str, bytes]
"""Direction (O: request, I: answer) and bytes."""


class Relay:
    """Forwards a connection to `port` and records its bytes."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._ended = asyncio.Event()
        self.chunks: list[Chunk] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop, after the only connection has ended."""
        await self._ended.wait()
        self._server.close()

    async def _serve(self, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far, target = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._pass(near, target, "O"), self._pass(far, writer, "I"))
        self._ended.set()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        while data := await reader.read(1000):
            self.chunks.append((direction, data))
            writer.write(data)
        writer.close()


def dissected(chunks: list[Chunk], folder: Path, protocol: str, *options: str) -> list[str]:
    """Wireshark's view, one line a frame: function code, count of registers, error."""
    text, capture = folder / "frames.txt", folder / "frames.pcap"
    lines = [f"{direction}\n000000 {data.hex(' ')}\n" for direction, data in chunks]
    text.write_text("".join(lines))
    subprocess.run(["text2pcap", "-q", "-D", "-T", "502,40000", text, capture], check=True, capture_output=True)
    fields = ("frame.protocols", "modbus.func_code", "modbus.word_cnt", "_ws.malformed", "_ws.expert.message")
    command = ["tshark", "-r", str(capture), "-d", f"tcp.port==502,{protocol}", *options, "-T", "fields"]
    for name in fields:
        command += ["-e", name]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return output.splitlines()


async def conversation(scheme: str, port: int) -> list[Chunk]:
    """Read all relevant sizes with both functions, and cause a refusal, with the server at `port`."""
    relay = Relay(port)
    bus = Bus(parse(f"{scheme}://127.0.0.1:{await relay.start()}"), timeout=2.0)
    for count in (1, 2, 40, 125):
        await bus.read(1, "input", 0, count)
    with pytest.raises(Refused):
        await bus.read(1, "holding", 999, 3)
    await bus.close()
    await relay.stop()
    return relay.chunks


def agreed(chunks: list[Chunk], folder: Path, protocol: str, *options: str) -> None:
    """Assert that Wireshark knows every frame, and that the requests are the expected ones."""
    frames = dissected(chunks, folder, protocol, *options)
    assert len(frames) == len(chunks) == 10
    for line in frames:
        protocols, code, _, malformed, expert = (line.split("\t") + [""] * 5)[:5]
        assert f":{protocol}:" in f"{protocols}:"
        assert code in ("3", "4")
        assert not malformed
        assert "CRC" not in expert
    assert [line.split("\t")[2] for line in frames[0::2]] == ["1", "2", "40", "125", "3"]


def test_wireshark_finds_no_malformed_frame_between_us_and_libmodbus(tmp_path: Path) -> None:
    with libmodbus.server() as port:
        agreed(asyncio.run(conversation("tcp", port)), tmp_path, "mbtcp")


def test_wireshark_finds_no_malformed_rtu_frame(tmp_path: Path) -> None:
    def slave(request: bad.Request) -> list[bad.Step]:
        return list(bad.refuses(2)(request) if request.address == 999 else bad.honest(request))

    async def main() -> list[Chunk]:
        async with bad.Server(slave, rtu=True) as server:
            return await conversation("rtutcp", server.port)

    agreed(asyncio.run(main()), tmp_path, "mbrtu", "-o", "mbrtu.crc_verification:TRUE")


def test_mbpoll_sends_the_same_requests() -> None:
    """Both read the same eight registers; the frames differ in the transaction id alone."""

    async def main() -> tuple[list[Chunk], list[Chunk]]:
        async with bad.Server(bad.honest) as server:
            our_relay, their_relay = Relay(server.port), Relay(server.port)
            bus = Bus(parse(f"tcp://127.0.0.1:{await our_relay.start()}"), timeout=2.0)
            await bus.read(7, "holding", 300, 8)
            await bus.close()
            port = await their_relay.start()
            program = shutil.which("mbpoll")
            assert program, "mbpoll is needed"
            command = [program, "-m", "tcp", "-p", str(port), "-a", "7", "-0", "-r", "300", "-c", "8", "-t", "4", "-1"]
            process = await asyncio.create_subprocess_exec(*command, "127.0.0.1", stdout=subprocess.PIPE)
            output, _ = await process.communicate()
            assert b"[307]: \t307" in output
            for relay in (our_relay, their_relay):
                await relay.stop()
            return our_relay.chunks, their_relay.chunks

    our_requests, their_requests = asyncio.run(main())
    assert [data[2:] for _, data in our_requests] == [data[2:] for _, data in their_requests]
    assert (
        our_requests[0][1][2:].hex() == "00000006" + "07" + "03" + "012c" + "0008"
    )  # Modbus Application Protocol, 6.3
