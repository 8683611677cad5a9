"""Clock status of the kernel, compared with its other interfaces."""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path

from wattgram.timekeeping.kernel_clock import SYNCHRONISED, AlwaysSynchronised, KernelClock

UNSYNCHRONISED, FAULT = 0x40, 0x1000  # STA_UNSYNC and STA_CLOCKERR of adjtimex(2)


def test_the_status_shows_whether_a_time_server_keeps_the_clock() -> None:
    """Compare with the same call by its structure: the status is the sixth field, an int after four longs."""
    answer = ctypes.create_string_buffer(512)
    ctypes.CDLL(None).adjtimex(answer)
    *_, status = struct.unpack_from("@Illlli", answer.raw)
    assert KernelClock().synchronised() is (SYNCHRONISED.exists() or not status & (UNSYNCHRONISED | FAULT))


def test_a_clock_with_a_battery_or_a_host_runs_while_the_machine_is_off(tmp_path: Path) -> None:
    clocks, processor = tmp_path / "rtc", tmp_path / "cpuinfo"
    processor.write_text("model name\t: Cortex-A72\nFeatures\t: fp asimd evtstrm crc32\n")
    pi = KernelClock(clocks, processor)
    assert not pi.runs_when_off()
    (clocks / "rtc0").mkdir(parents=True)
    (clocks / "rtc0/hctosys").write_text("0\n")  # there, but its battery is empty or its driver came too late
    assert not pi.runs_when_off()
    (clocks / "rtc0/hctosys").write_text("1\n")
    assert pi.runs_when_off()
    guest = tmp_path / "guest"
    guest.write_text("flags\t\t: fpu vme sse2 hypervisor lahf_lm\n")
    assert KernelClock(tmp_path / "none", guest).runs_when_off()
    assert not KernelClock(tmp_path / "none", tmp_path / "none").runs_when_off()


def test_the_uptime_is_that_of_the_machine() -> None:
    before = float(Path("/proc/uptime").read_text().split()[0])
    assert before - 0.1 <= KernelClock().uptime() <= before + 60.0


def test_the_boot_id_is_that_of_the_kernel() -> None:
    assert KernelClock().boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip() != ""


def test_a_clock_that_is_always_synchronised_has_a_status() -> None:
    clock_status = AlwaysSynchronised()
    assert (clock_status.synchronised(), clock_status.boot_id()) == (True, "")
    assert 0.0 <= clock_status.uptime() < 60.0
