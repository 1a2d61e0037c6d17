"""Signatures of L1 actions: msgpack, keccak and secp256k1, without typed-data machinery.

An action is a dict in the field order of the official client; the venue rebuilds it from JSON and
hashes its own encoding, so any difference recovers another address (docs: "Signing").
"""

from collections.abc import Mapping
from typing import Any

import msgpack
from coincurve import PrivateKey
from Crypto.Hash import keccak

from exchanges.errors import Refusal, RequestRejected

Action = Mapping[str, Any]

_DOMAIN_SEPARATOR = bytes.fromhex("d79297fcdf2ffcd4ae223d01edaa2ba214ff8f401d7c9300d995d17c82aa4040")
"""Of the EIP-712 domain Exchange, version 1, chain 1337, contract zero: the same on both networks."""
_AGENT_TYPE_HASH = bytes.fromhex("26f05c2f7239b6983075e58321292d77b3aa173d19b27257ac96ab362570f508")
"""Of `Agent(string source,bytes32 connectionId)`."""
_SOURCES = {
    "mainnet": bytes.fromhex("3ac225168df54212a25c1c01fd35bebfea408fdac2e31ddd6f80a4bbf9a5f1cb"),
    "testnet": bytes.fromhex("b5553de315e0edf504d9150af82dafa5c4667fa618ed0a6f19c69b41166c5510"),
}
"""The keccaks of "a" and "b"."""

_ADDRESS_DIGITS = 40
_KEY_DIGITS = 64


class Agent:
    """An agent's key on one network. It signs; it is never printed."""

    __slots__ = ("_key", "_prefix", "address")

    def __init__(self, secret: str, *, chain: str) -> None:
        """Take 32 bytes in hex, with or without 0x. Raises: RequestRejected (AUTH) for anything else."""
        try:
            self._key = PrivateKey(bytes.fromhex(_hex_digits(secret, _KEY_DIGITS)))
        except ValueError:
            # The key must not be quoted, so neither is the error that quotes it.
            raise RequestRejected(
                "the agent key is no private key", refusal=Refusal.AUTH, exchange="hyperliquid"
            ) from None
        self._prefix = _AGENT_TYPE_HASH + _SOURCES[chain]
        self.address = _address_of(self._key)

    def __repr__(self) -> str:
        return f"<Agent {self.address}>"

    def sign(
        self, action: Action, nonce: int, *, vault: str | None = None, expires_after_ms: int | None = None
    ) -> dict[str, Any]:
        """Return the body to post: action, nonce, signature, and the two options where they are set."""
        connection_id = action_hash(action, nonce, vault=vault, expires_after_ms=expires_after_ms)
        digest = _keccak(b"\x19\x01" + _DOMAIN_SEPARATOR + _keccak(self._prefix + connection_id))
        raw = self._key.sign_recoverable(digest, hasher=None)
        body: dict[str, Any] = {
            "action": action,
            "nonce": nonce,
            "signature": {"r": f"0x{raw[:32].hex()}", "s": f"0x{raw[32:64].hex()}", "v": 27 + raw[64]},
        }
        if vault is not None:
            body["vaultAddress"] = vault
        if expires_after_ms is not None:
            body["expiresAfter"] = expires_after_ms
        return body


def action_hash(action: Action, nonce: int, *, vault: str | None, expires_after_ms: int | None) -> bytes:
    """Return the connection id: keccak of the packed action, nonce, vault marker and expiry."""
    data: bytes = msgpack.packb(action) + nonce.to_bytes(8, "big")
    data += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault[2:])
    if expires_after_ms is not None:
        data += b"\x00" + expires_after_ms.to_bytes(8, "big")
    return _keccak(data)


def parse_address(text: str) -> str:
    """Return an address in lower case, as the venue hashes it. Raises: ValueError."""
    if not text.startswith(("0x", "0X")):
        raise ValueError("an address begins with 0x")
    return "0x" + _hex_digits(text, _ADDRESS_DIGITS)


def _address_of(key: PrivateKey) -> str:
    return "0x" + _keccak(key.public_key.format(compressed=False)[1:])[-20:].hex()


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def _hex_digits(text: str, count: int) -> str:
    digits = text.strip().lower().removeprefix("0x")
    if len(digits) != count or not set(digits) <= set("0123456789abcdef"):
        raise ValueError(f"not {count} hex digits")
    return digits
