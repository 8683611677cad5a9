"""The files of the spool: a journal of the last minutes, segments of packed blocks, and a database.

    sync ──▶ journal ──pack──▶ readings-*.seg, instants-*.seg    read in order: a ring each
                          └──▶ spool.db                          searched by key: windows, events, state

All functions here block and belong into the spool's threads.
"""

from .batch import Batch
from .block import Numbered
from .database import unreadable
from .database_swap import ASIDE, DATABASE_FILE
from .files import Store
from .folder_opening import FolderReplaced, is_wrong_path
from .journal import Refusal
from .refused_table import again_file
from .view import StoreView, connected, journal_records, journal_refusals

__all__ = [
    "ASIDE",
    "DATABASE_FILE",
    "Batch",
    "FolderReplaced",
    "Numbered",
    "Refusal",
    "Store",
    "StoreView",
    "again_file",
    "connected",
    "is_wrong_path",
    "journal_records",
    "journal_refusals",
    "unreadable",
]
