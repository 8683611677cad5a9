"""`wattgram seal`: the log of a site, its public key, the log as a tar file, proofs, and a new key."""

from __future__ import annotations

import argparse
import io
import json
import tarfile
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

from wattgram.base.errors import HistoryError
from wattgram.delivery.configuration import load

from .arguments import UsageError, add_config, choice
from .progress import print_stderr

if TYPE_CHECKING:
    from wattgram.evidence.log_files import LogFiles
    from wattgram.evidence.log_state import LogState

EXAMPLE = "wattgram seal -c site.toml --output works-log.tar"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add -c, --output, --proof, --rotate and --format."""
    add_config(parser)
    parser.add_argument("--output", type=Path, metavar="FILE.tar", help="write all logs of the site to a tar file")
    parser.add_argument("--proof", type=int, metavar="INDEX", help="print the proof of an entry (C2SP tlog-proof)")
    parser.add_argument(
        "--rotate", action="store_true", help="make a new key, which the daemon uses from the next seal on"
    )
    parser.add_argument("--format", type=choice(("table", "json")), default="table", metavar="table|json")


def run(options: argparse.Namespace) -> int:
    """Print the head of the log, or write what the options ask for."""
    from wattgram.evidence.log_files import LogFiles
    from wattgram.evidence.log_state import LogState
    from wattgram.evidence.transparency_log import LOG_FOLDER

    config = load(options.config)
    folder = config.spool.path / LOG_FOLDER
    try:
        state = LogState.read(folder)
    except (OSError, ValueError) as error:
        raise HistoryError(f"{folder}: {error}") from error
    if state is None or not state.size:
        raise HistoryError(f"{folder}: no log there; the first `wattgram run` with [evidence] seal = true begins it")
    files = LogFiles.of_folder(folder / state.folder)
    if options.rotate:
        if config.evidence.key is not None:
            raise UsageError("found --rotate with [evidence] key; replace the file of the key instead")
        _rotate(config.spool.path, config.site.name, state)
    elif options.proof is not None:
        print(_proof(files, options.proof, state), end="")
    elif options.output is not None:
        count = _write_tar(options.output, folder, config.site.name)
        print_stderr(f"{options.output}: {count} files")
    else:
        _print_head(options.format, state)
    return 0


def _print_head(form: str, state: LogState) -> None:
    found = {"origin": state.origin, "size": state.size, "key": state.vkey, "checkpoint": state.note}
    if form == "json":
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    print(f"origin   {state.origin}\nentries  {state.size:,}\nkey      {state.vkey}\n\n{state.note}", end="")


def _proof(files: LogFiles, index: int, state: LogState) -> str:
    """Return the proof of an entry in the last checkpoint, as text."""
    from wattgram.evidence.merkle import inclusion_proof

    if not 0 <= index < state.size:
        raise UsageError(f"found --proof {index}; allowed: 0 to {state.size - 1}")
    hashes = [found for found in files.hashes(state.size) if found is not None]
    if len(hashes) != state.size:
        raise HistoryError(f"{files.place}: tiles are missing")
    lines = "".join(f"{b64encode(step).decode()}\n" for step in inclusion_proof(hashes, index))
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{lines}\n{state.note}"


def _rotate(spool: Path, site: str, state: LogState) -> None:
    from wattgram.evidence.signing_keys import NEXT_KEY_FILE, new_key, write_key

    key = new_key(state.origin, site)
    write_key(spool / NEXT_KEY_FILE, key)
    print(f"new key  {key.verifier.text}")
    print("The daemon signs with the new key from the next seal on, and for 30 days with the present key, too.")


def _write_tar(path: Path, folder: Path, site: str) -> int:
    """Write all logs of a site; return the number of files. The layout is that of C2SP tlog-tiles."""
    from wattgram.evidence.log_files import CHECKPOINT_FILE, logs_of
    from wattgram.evidence.signed_note import TreeHead, checkpoint_note
    from wattgram.formats.output_file import output

    count = 0
    with output(path) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for files in logs_of(folder):
            note = files.checkpoint()
            head = TreeHead.of(checkpoint_note(note).text)
            name = head.origin.rpartition("/")[2]
            for member, content in [(CHECKPOINT_FILE, note.encode()), *files.members(head.size)]:
                info = tarfile.TarInfo(f"{site}/{name}/{member}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
                count += 1
    return count
