"""The files of the spool: a journal of the last minutes, segments of packed blocks, and a database.

    sync ──▶ journal ──pack──▶ readings-*.seg, instants-*.seg    read in order: a ring each
                          └──▶ spool.db                          searched by key: windows, events, state

All functions here block and belong into the spool's threads.
"""

from .batch import Batch
from .block import Numbered
from .database import ASIDE, DATABASE_FILE, REFUSED_KEPT, unreadable
from .files import Store
from .folder_opening import FolderReplaced, is_wrong_path
from .journal import Refusal
from .view import StoreView, connected, journal_records

__all__ = [
    "ASIDE",
    "DATABASE_FILE",
    "REFUSED_KEPT",
    "Batch",
    "FolderReplaced",
    "Numbered",
    "Refusal",
    "Store",
    "StoreView",
    "connected",
    "is_wrong_path",
    "journal_records",
    "unreadable",
]
