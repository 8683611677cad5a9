"""Merkle trees: known answers of the transparency-dev/merkle test data (RFC 6962), and proofs against definitions."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wattgram.evidence.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    extends,
    included_root,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
)

# transparency-dev/merkle, testonly/constants.go: the leaves and roots that Certificate Transparency's tests use
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]


def test_hashes_are_those_of_the_known_answers() -> None:
    # transparency-dev/merkle, rfc6962_test.go
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert EMPTY_ROOT.hex() == ROOTS[0]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_known_answers(size: int) -> None:
    assert tree_root(HASHES[:size]).hex() == ROOTS[size]


def test_the_proofs_of_rfc_6962_section_2_1_3_lead_to_its_roots() -> None:
    # the tree of seven leaves in the RFC: the audit path of d0 is [b, h, l], of d6 [i, k]
    seven = HASHES[:7]
    h, k, i = tree_root(seven[2:4]), tree_root(seven[:4]), tree_root(seven[4:6])
    assert inclusion_proof(seven, 0) == [seven[1], h, node_hash(i, seven[6])]
    assert inclusion_proof(seven, 6) == [i, k]
    # the consistency proof of sizes 3 and 7 is [c, d, g, l], of 6 and 7 [i, j, k]
    assert consistency_proof(seven, 3) == [seven[2], seven[3], tree_root(seven[:2]), node_hash(i, seven[6])]
    assert consistency_proof(seven, 6) == [i, seven[6], k]


@given(st.integers(1, 70), st.data())
def test_each_entry_is_included_and_each_size_extends_the_earlier(size: int, data: st.DataObject) -> None:
    hashes = [sha256(bytes([number])).digest() for number in range(size)]
    index, earlier = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    root, proof = tree_root(hashes), inclusion_proof(hashes, index)
    assert included_root(hashes[index], index, size, proof) == root
    assert extends(earlier, tree_root(hashes[:earlier]), size, root, consistency_proof(hashes, earlier))


@given(st.integers(2, 40), st.data())
def test_a_proof_with_a_changed_hash_leads_to_another_root(size: int, data: st.DataObject) -> None:
    hashes = [sha256(bytes([number])).digest() for number in range(size)]
    index, earlier = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    proof = inclusion_proof(hashes, index)
    at = data.draw(st.integers(0, len(proof) - 1))
    proof[at] = sha256(proof[at]).digest()
    assert included_root(hashes[index], index, size, proof) != tree_root(hashes)
    steps = consistency_proof(hashes, earlier)
    at = data.draw(st.integers(0, len(steps) - 1))
    steps[at] = sha256(steps[at]).digest()
    assert not extends(earlier, tree_root(hashes[:earlier]), size, tree_root(hashes), steps)
