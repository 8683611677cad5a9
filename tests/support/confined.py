"""`wattgram` with only the system calls that the unit file allows; the kernel refuses all others with EPERM.

    python -m tests.support.confined run -c site.toml

The unit's groups are what `systemd-analyze syscall-filter` makes of them, the filter is libseccomp's, as in systemd.
"""

from __future__ import annotations

import ctypes
import errno
import subprocess
import sys

from wattgram.__main__ import main

from tests.support.servers import ROOT, program

UNIT = ROOT / "deploy/systemd/wattgram.service"
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO of seccomp.h
UNKNOWN = -1  # __NR_SCMP_ERROR: no such call on this machine


def allowed() -> set[str]:
    """Return the names of the calls; a line of the unit that begins with ~ removes calls, any other adds them."""
    found: set[str] = set()
    for line in UNIT.read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "SystemCallFilter":
            named = {call for word in value.removeprefix("~").split() for call in _calls(word)}
            found = found - named if value.startswith("~") else found | named
    return found


def _calls(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    listed = subprocess.run(
        [program("systemd-analyze", "systemd"), "syscall-filter", name], capture_output=True, text=True, check=True
    )
    inside = [line.strip() for line in listed.stdout.splitlines()[1:]]
    return {call for word in inside if word and not word.startswith("#") for call in _calls(word)}


def confine(names: set[str]) -> None:
    """Limit this process and its children to these calls; OSError when the kernel rejects the filter."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    filter_ = ctypes.c_void_p(library.seccomp_init(REFUSE))
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != UNKNOWN:
            library.seccomp_rule_add(filter_, ALLOW, number, 0)
    if failed := library.seccomp_load(filter_):
        raise OSError(-failed, "the kernel rejects the filter of system calls")
    library.seccomp_release(filter_)


if __name__ == "__main__":
    confine(allowed())
    sys.exit(main())
