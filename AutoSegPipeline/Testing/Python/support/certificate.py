"""A certificate for 127.0.0.1 and localhost, made of two known primes: it protects nothing."""

from __future__ import annotations

import base64
import hashlib
import ssl
from pathlib import Path

_P = int(
    "d5c0b420eef6a258986defe0ab6eac0f9c06e4fc92c27d5f7b67f40c7c6389e653446ecd292e2a9ebad6e436e66283d4"
    "b3dea8af981240dfac06d7d39dfeb67e517abb5120316bcfc8a5d793926105db6a0bfb43c990953b933425668516c870"
    "68942c41ab2946f2f43da8e266dc653a3b39375ef2e07260e8880723311d48fb",
    16,
)
_Q = int(
    "c4fb941972dd463c38dd75a6052e9aa4acb331c3c1a0fb0d8f191a0c9381f0738388dd76e8892612f926062a816ff388"
    "2f308345eec7255094bd2c494559de61eff365380e519a80b106d7a83b71b8da7867c4a8511b98c23adb3d368ce98c71"
    "87dc8227fece0ddf039f0f7cbd79cb1aec989ca4d5b7708ede69c98b70d4f407",
    16,
)
_E = 65537


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def _integer(number: int) -> bytes:
    return _der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _oid(text: str) -> bytes:
    first, second, *rest = map(int, text.split("."))
    out = [first * 40 + second]
    for number in rest:
        piece = [number & 127]
        while number := number >> 7:
            piece.insert(0, 128 | number & 127)
        out += piece
    return _der(6, bytes(out))


def _pem(path: Path, what: str, body: bytes) -> Path:
    text = base64.encodebytes(body).decode()
    path.write_text(f"-----BEGIN {what}-----\n{text}-----END {what}-----\n")
    return path


def write_certificate(folder: Path, issuer: str = "localhost", host: str = "") -> tuple[Path, Path]:
    """(certificate, key) as PEM files, valid 2020 to 2049; another ``issuer`` signs with the same key.

    With ``host`` it is for that name and nothing else.
    """
    n, sequence = _P * _Q, 0x30
    d = pow(_E, -1, (_P - 1) * (_Q - 1))
    algorithm = _der(sequence, _oid("1.2.840.113549.1.1.11"), _der(5))  # sha256WithRSAEncryption
    signer, name = (
        _der(sequence, _der(0x31, _der(sequence, _oid("2.5.4.3"), _der(12, who.encode("ascii")))))
        for who in (issuer, "localhost")
    )
    valid = _der(sequence, _der(23, b"200101000000Z"), _der(23, b"491231235959Z"))
    public = _der(sequence, _integer(n), _integer(_E))
    kind = _der(sequence, _oid("1.2.840.113549.1.1.1"), _der(5))
    known = [_der(0x82, b"localhost"), _der(0x87, bytes([127, 0, 0, 1]))]
    names = _der(sequence, *([_der(0x82, host.encode("ascii"))] if host else known))
    extension = _der(sequence, _oid("2.5.29.17"), _der(4, names))
    told = _der(
        sequence, _der(0xA0, _integer(2)), _integer(1), algorithm, signer, valid, name,
        _der(sequence, kind, _der(3, b"\0", public)), _der(0xA3, _der(sequence, extension)),
    )  # fmt: skip
    digest = _der(
        sequence,
        _der(sequence, _oid("2.16.840.1.101.3.4.2.1"), _der(5)),
        _der(4, hashlib.sha256(told).digest()),
    )
    size = (n.bit_length() + 7) // 8
    padded = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
    signature = pow(int.from_bytes(padded, "big"), d, n).to_bytes(size, "big")
    certificate = _der(sequence, told, algorithm, _der(3, b"\0", signature))
    numbers = (0, n, _E, d, _P, _Q, d % (_P - 1), d % (_Q - 1), pow(_Q, -1, _P))
    key = _der(sequence, *map(_integer, numbers))
    return (
        _pem(folder / "cert.pem", "CERTIFICATE", certificate),
        _pem(folder / "key.pem", "RSA PRIVATE KEY", key),
    )


def fingerprint(certificate: Path) -> str:
    """As ``callers`` of ``dicom.json`` name it."""
    return "sha256:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()
