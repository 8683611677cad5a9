"""Signed notes: the example of C2SP signed-note, keys, and checkpoints that went through a database."""

from __future__ import annotations

import pytest
from wattgram.evidence.signed_note import SignedNote, SignerKey, TreeHead, VerifierKey, checkpoint_note, signed

# c2sp.org/signed-note, section Verifier keys, Example
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72Ineya"
    "QM=\n"
)
# golang.org/x/mod/sumdb/note, example_test.go: a private key as text, and its public part
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_the_example_of_the_specification_is_signed() -> None:
    assert SignedNote.of(NOTE).signed_by(VerifierKey.of(VKEY))
    assert VerifierKey.of(VKEY).text == VKEY


def test_a_changed_note_is_refused() -> None:
    with pytest.raises(ValueError, match="is wrong"):
        SignedNote.of(NOTE.replace("example message", "exemplary message")).signed_by(VerifierKey.of(VKEY))


def test_a_signature_of_an_unknown_key_does_not_count() -> None:
    assert not SignedNote.of(NOTE).signed_by(VerifierKey.of(PUBLIC))


def test_a_private_key_is_the_one_of_other_programs() -> None:
    key = SignerKey.of(SKEY)
    assert (key.verifier.text, key.text) == (PUBLIC, SKEY)
    assert "AYEKFALV" not in repr(key)
    assert SignedNote.of(signed("a text\n", [key])).signed_by(VerifierKey.of(PUBLIC))


@pytest.mark.parametrize("text", ["", "a+b+c", VKEY.replace("530d903a", "530d903b"), SKEY, VKEY[:-4]])
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"found|allowed"):
        VerifierKey.of(text)


@pytest.mark.parametrize(
    "note", ["", "no signature\n", NOTE.rstrip("\n"), NOTE.replace("\u2014", "-"), NOTE.replace("an ", "an\t")]
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(ValueError, match="no signed note"):
        SignedNote.of(note)


def test_a_checkpoint_on_one_line_is_the_same_checkpoint() -> None:
    # line protocol turns a line end into a space
    key = SignerKey.of(SKEY)
    head = TreeHead("wattgram/works/0a1b2c3d", 7, bytes(32))
    note = signed(head.text, [key, SignerKey("other", bytes(32))])
    assert checkpoint_note(note.replace("\n", " ")) == SignedNote.of(note) == checkpoint_note(note)
    assert TreeHead.of(checkpoint_note(note.replace("\n", " ")).text) == head
