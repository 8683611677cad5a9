"""Ed25519 signatures (RFC 8032). Only this module knows PyNaCl, and imports the library at the first signature.

PyNaCl costs 2.4 MB of memory and 0.8 MB of a wheel; the package cryptography costs 9 MB and 4.7 MB. A command or a
gateway without a log imports neither.
"""

from __future__ import annotations

SEED_SIZE = 32
PUBLIC_KEY_SIZE = 32
SIGNATURE_SIZE = 64


def public_key(seed: bytes) -> bytes:
    """Return the public key of a seed of 32 bytes."""
    from nacl.bindings import crypto_sign_seed_keypair  # noqa: PLC0415 - memory that only a signing gateway needs

    return crypto_sign_seed_keypair(seed)[0]


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the signature of a message, 64 bytes."""
    from nacl.bindings import crypto_sign, crypto_sign_seed_keypair  # noqa: PLC0415 - memory that only a signing gateway needs

    return crypto_sign(message, crypto_sign_seed_keypair(seed)[1])[:SIGNATURE_SIZE]


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether a signature is the one of a message by the owner of a public key."""
    from nacl.bindings import crypto_sign_open  # noqa: PLC0415 - memory that only a signing gateway needs
    from nacl.exceptions import BadSignatureError  # noqa: PLC0415 - memory that only a signing gateway needs

    if len(signature) != SIGNATURE_SIZE:
        return False
    try:
        crypto_sign_open(signature + message, key)
    except (BadSignatureError, ValueError):
        return False
    return True
