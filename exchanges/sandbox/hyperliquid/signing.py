"""Who signed a request: the action's own hash, EIP-712, and the public key that the signature yields."""

import msgpack
from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak

from exchanges.sandbox.hyperliquid.actions import SignedRequest

SOURCES = {"mainnet": b"a", "testnet": b"b"}
CHAIN_ID = 1337
NOBODY = "0x" + "0" * 40
"""Whom a signature names that no key can have made."""


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


_DOMAIN = _keccak(
    _keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    + _keccak(b"Exchange")
    + _keccak(b"1")
    + CHAIN_ID.to_bytes(32, "big")
    + bytes(32)
)
_AGENT = _keccak(b"Agent(string source,bytes32 connectionId)")


def connection_id(request: SignedRequest) -> bytes:
    """Return the hash of action, nonce, vault and expiry."""
    packed: bytes = msgpack.packb(request.action)
    vault = b"\x00" if request.vault is None else b"\x01" + bytes.fromhex(request.vault[2:])
    expiry = b""
    if request.expires_after_ms is not None:
        expiry = b"\x00" + request.expires_after_ms.to_bytes(8, "big")
    return _keccak(packed + request.nonce.to_bytes(8, "big") + vault + expiry)


def signer_of(request: SignedRequest, chain: str) -> str:
    """Return the address that signed; another one for every request that was signed otherwise."""
    struct = _keccak(_AGENT + _keccak(SOURCES[chain]) + connection_id(request))
    digest = _keccak(b"\x19\x01" + _DOMAIN + struct)
    try:
        raw = request.r.to_bytes(32, "big") + request.s.to_bytes(32, "big") + bytes([request.v - 27])
        key = PublicKey.from_signature_and_message(raw, digest, hasher=None)
    except Exception:  # noqa: BLE001 - coincurve raises nothing narrower for what is no signature
        return NOBODY
    return _address(key)


def address_of(secret: str) -> str | None:
    """Return the address of a private key in hex, None for a text that is none."""
    digits = secret.removeprefix("0x")
    try:
        return _address(PrivateKey(bytes.fromhex(digits)).public_key) if len(digits) == 64 else None
    except ValueError:
        return None


def _address(key: PublicKey) -> str:
    return "0x" + _keccak(key.format(compressed=False)[1:])[-20:].hex()
