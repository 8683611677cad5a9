"""Entry point of `wattgram`: calls a command, and reports its errors in one line."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from wattgram_drivers.driver_errors import DriverError, MapError

from .base.errors import ConfigError, HistoryError, SpoolError
from .commands.arguments import INTERRUPTED, UsageError
from .commands.command_line import parse
from .commands.progress import print_stderr


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe. The interpreter flushes stdout at its end, and must not fail there either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _run(arguments: Sequence[str]) -> int:
    command, options = parse(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname).1s %(message)s",
        stream=sys.stderr,
    )
    try:
        return command.run(options)
    except BrokenPipeError:
        raise
    except ConfigError as error:
        print_stderr(str(error))
        return 2
    except (UsageError, MapError) as error:
        print_stderr(f"wattgram {options.name}: {error}")
        return 2
    except (DriverError, SpoolError, HistoryError, OSError) as error:
        print_stderr(f"wattgram {options.name}: {getattr(error, 'strerror', None) or error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
