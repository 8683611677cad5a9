"""Merkle tree of RFC 6962, section 2.1: hashes, inclusion proofs and consistency proofs.

A tree of n entries is given by the hashes of the entries, in order. k below is the largest power of two smaller than n.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH_SIZE = 32

EMPTY_ROOT = sha256(b"").digest()
"""Root of a tree without entries."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry: SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of the tree of some hashes.

    The hashes of a level are paired from the left, and an odd last hash goes up unchanged; this is the same tree as
    the recursive definition with k.
    """
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        paired = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) // 2 * 2 :]
    return level[0]


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from entry `index` to the root, the sibling of the entry first (2.1.1)."""
    if not 0 <= index < len(hashes):
        raise ValueError(f"entry {index}: the tree has {len(hashes)} entries")
    if len(hashes) == 1:
        return []
    split = _split(len(hashes))
    left, right = hashes[:split], hashes[split:]
    if index < split:
        return [*inclusion_proof(left, index), tree_root(right)]
    return [*inclusion_proof(right, index - split), tree_root(left)]


def included_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that an inclusion proof leads to (RFC 9162, 2.1.3.2). ValueError: the proof cannot be right."""
    if not 0 <= index < size:
        raise ValueError(f"entry {index}: the tree has {size} entries")
    place, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise ValueError("the proof is too long")
        if place & 1 or place == last:
            found = node_hash(step, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, step)
        place, last = place >> 1, last >> 1
    if last:
        raise ValueError("the proof is too short")
    return found


def consistency_proof(hashes: Sequence[bytes], earlier: int) -> list[bytes]:
    """Return the hashes that show that the tree extends its first `earlier` entries (2.1.2)."""
    if not 0 <= earlier <= len(hashes):
        raise ValueError(f"size {earlier}: the tree has {len(hashes)} entries")
    return _subproof(hashes, earlier, whole=True) if 0 < earlier < len(hashes) else []


def extends(earlier: int, earlier_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether a consistency proof shows that a tree extends an earlier tree (RFC 9162, 2.1.4.2)."""
    if not 0 < earlier < size:
        return not proof and (earlier == 0 or (earlier == size and earlier_root == root))
    steps = list(proof)
    if earlier & (earlier - 1) == 0:
        steps.insert(0, earlier_root)
    if not steps:
        return False
    place, last = earlier - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    of_earlier = of_later = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            of_earlier, of_later = node_hash(step, of_earlier), node_hash(step, of_later)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            of_later = node_hash(of_later, step)
        place, last = place >> 1, last >> 1
    return last == 0 and of_earlier == earlier_root and of_later == root


def _subproof(hashes: Sequence[bytes], earlier: int, *, whole: bool) -> list[bytes]:
    if earlier == len(hashes):
        return [] if whole else [tree_root(hashes)]
    split = _split(len(hashes))
    left, right = hashes[:split], hashes[split:]
    if earlier <= split:
        return [*_subproof(left, earlier, whole=whole), tree_root(right)]
    return [*_subproof(right, earlier - split, whole=False), tree_root(left)]


def _split(size: int) -> int:
    """Return the largest power of two smaller than a size of at least 2."""
    return 1 << (size - 1).bit_length() - 1
