"""An independent Modbus TCP server: libmodbus, compiled from C."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

SOURCE = """
#include <modbus.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, 1000, 1000);
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int listener = modbus_tcp_listen(ctx, 1), length;
    for (int i = 0; i < 1000; i++) {
        map->tab_registers[i] = i;
        map->tab_input_registers[i] = 60000 - i;
    }
    dup2(listener, 3);   /* where the test finds the port */
    puts("ready");
    fflush(stdout);
    modbus_tcp_accept(ctx, &listener);
    while ((length = modbus_receive(ctx, query)) >= 0)
        if (length > 0)
            modbus_reply(ctx, query, length, map);
    return 0;
}
"""


@contextlib.contextmanager
def server() -> Iterator[int]:
    """Serves one client on a free port, which it yields: holding registers are their address, input 60000 less it."""
    compiler = shutil.which("cc")
    assert compiler, "a C compiler and libmodbus-dev are needed"
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "server.c"), Path(folder, "server")
        source.write_text(SOURCE)
        command = [compiler, "-I/usr/include/modbus", "-o", str(program), str(source), "-lmodbus"]
        subprocess.run(command, check=True)
        with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                yield _listening_port(process.pid)
            finally:
                process.kill()


def _listening_port(pid: int) -> int:
    """The port of a process' descriptor 3, out of /proc."""
    inode = Path(f"/proc/{pid}/fd/3").readlink().name.removeprefix("socket:[").removesuffix("]")
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[9] == inode:
            return int(columns[1].split(":")[1], 16)
    raise AssertionError("the server does not listen")
