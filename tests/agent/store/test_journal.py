"""The journal alone: each of its pages is damaged, whatever generation it is of."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from wattgram.store.disk import PAGE
from wattgram.store.journal import Journal, JournalEntry

from tests.support.spools import noisy

SIZE = 64 * 1024


def written(folder: Path, chance: random.Random, generations: int) -> int:
    """Entries of chance sizes in so many generations; number of the last record, of which some are in the last one."""
    journal, last = Journal(folder, SIZE), 0
    journal.open(0)
    for _ in range(generations):
        journal.begin(JournalEntry())
        for _ in range(chance.randrange(1, 12)):
            count = chance.choice((1, 3, 40, 200))
            records = [(last + number + 1, one) for number, one in enumerate(noisy(last + 1, last + count))]
            if not journal.write(JournalEntry(records, {"site": b"after %d" % last})):
                break
            last += count
    journal.close()
    return last


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.slow(0.2)
def test_what_a_damaged_page_held_is_there_or_counted_or_told(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    last = written(tmp_path, chance, chance.choice((1, 2, 5)))
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
            there = max((seq for one in entries for seq, _ in one.records), default=known)
            assert there + damaged == last or journal.notes, (page, there, damaged)
            assert there + damaged <= last, (page, there, damaged)
    journal.close()
