"""What the spool has on disk: a journal of the last minutes, segments of packed blocks, and a database.

    sync ──▶ journal ──pack──▶ readings-*.seg, instants-*.seg    what is read in order: a ring each
                          └──▶ spool.db                          what is sought by its key: windows, events, state

Everything here blocks and belongs into the spool's threads.
"""

from .block import Numbered
from .database import ASIDE, DATABASE_FILE, REFUSED_KEPT, unreadable
from .files import Batch, Store
from .journal import Refusal
from .view import StoreView, connected, loose_of

__all__ = [
    "ASIDE",
    "DATABASE_FILE",
    "REFUSED_KEPT",
    "Batch",
    "Numbered",
    "Refusal",
    "Store",
    "StoreView",
    "connected",
    "loose_of",
    "unreadable",
]
