"""The journal alone: each of its pages is damaged in turn, of every generation."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from wattgram.store.disk import PAGE
from wattgram.store.journal import Journal, JournalEntry

from tests.support.spools import noisy

SIZE = 64 * 1024


def write_entries(folder: Path, chance: random.Random, generations: int) -> int:
    """Write entries of random sizes in a number of generations; return the number of the last record."""
    journal, last = Journal(folder, SIZE), 0
    journal.open(0)
    for _ in range(generations):
        journal.begin(JournalEntry())
        for _ in range(chance.randrange(1, 12)):
            count = chance.choice((1, 3, 40, 200))
            records = [(last + number + 1, record) for number, record in enumerate(noisy(last + 1, last + count))]
            if not journal.write(JournalEntry(records, {"site": b"after %d" % last})):
                break
            last += count
    journal.close()
    return last


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.slow(0.2)
def test_the_content_of_a_damaged_page_is_read_or_counted_or_reported(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    last = write_entries(tmp_path, chance, chance.choice((1, 2, 5)))
    path = tmp_path / "journal"
    data = path.read_bytes()
    journal = Journal(tmp_path, SIZE)
    entries, damaged = journal.open(0)
    assert (damaged, journal.notes) == (0, [])
    known = entries[1].records[0][0] - 1
    for page in range(0, SIZE, PAGE):
        for blot in (bytes(PAGE), chance.randbytes(PAGE), data[page : page + PAGE - 512] + bytes(512)):
            path.write_bytes(data[:page] + blot + data[page + PAGE :])
            entries, damaged = journal.open(known)
            last_read = max((seq for entry in entries for seq, _ in entry.records), default=known)
            assert last_read + damaged == last or journal.notes, (page, last_read, damaged)
            assert last_read + damaged <= last, (page, last_read, damaged)
    journal.close()
