"""A mail as the bytes that travel (RFC 5322, 2045-2047): one text and one HTML body, seven bits.

Written out here because Python's email library takes 3 ms of CPU for it, almost thirty times as long, and makes
headers of what it finds in names: line ends in encoded words (`=?utf-8?q?x=0D=0ABcc:=20...?=`), addresses
in names whose quotes it drops when it folds them.
"""

import re
from base64 import b64encode
from binascii import b2a_qp
from collections.abc import Mapping
from email.utils import format_datetime, localtime
from secrets import token_hex

from services.notifications.adapters.formats import plain
from services.notifications.domain.mail import Rendered

# Dot-atoms (RFC 5322, 3.2.3; RFC 6532 adds letters of all scripts). Quoted local parts are not taken.
_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_LOCAL_PART = re.compile(rf"^{_ATOM}(\.{_ATOM})*$")
_DOMAIN = re.compile(r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$")
_SIMPLE_NAME = re.compile(r"^[A-Za-z0-9 !#$%&'*+/?^_`{|}~-]*$")
_WORD_BYTES = 42
"""Bytes of text in one encoded word: with its frame they stay under the 75 characters it may have."""


def message(headers: Mapping[str, str], content: Rendered) -> bytes:
    """The whole mail. Header values come from the functions below, or are single lines of ASCII."""
    boundary = f"=_{token_hex(12)}"  # `=_` cannot occur in a quoted-printable body
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += [
        f"Date: {format_datetime(localtime())}",
        f"Content-Language: {content.language.replace('_', '-')}",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
    ]
    head = "\r\n".join(lines).encode()
    parts = (_part("plain", content.text), _part("html", content.html))
    mark = f"\r\n--{boundary}".encode()
    return b"".join((head, b"\r\n", *(mark + b"\r\n" + part for part in parts), mark, b"--\r\n"))


def text_header(text: str) -> str:
    """A free text as a header value: as it is if it is simple, else as encoded words."""
    text = plain(text)
    # `=?` begins an encoded word, which this text must not be taken for.
    if text.isascii() and "=?" not in text and len(text) < 900:
        return text
    return "\r\n ".join(_encoded_words(text))


def address_header(name: str, address: str) -> str:
    """A name and an address as a header value; raises ValueError for an address that cannot be one."""
    address = ascii_domain(address)
    name = text_header(name)
    if not name:
        return f"<{address}>"
    if not name.startswith("=?") and not _SIMPLE_NAME.match(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{address}>"


def ascii_domain(address: str) -> str:
    """The address with its domain in the ASCII form of IDNA; raises ValueError if it cannot be an address."""
    local, _, domain = address.rpartition("@")
    domain = domain.encode("idna").decode("ascii")
    if not _LOCAL_PART.match(local) or not _DOMAIN.match(domain) or "=?" in local:
        raise ValueError("it has characters that addresses do not have")
    return f"{local}@{domain}"


def _encoded_words(text: str) -> list[str]:
    words, chunk = [], b""
    for char in text:
        encoded = char.encode()
        if len(chunk) + len(encoded) > _WORD_BYTES:
            words.append(chunk)
            chunk = b""
        chunk += encoded
    return [f"=?utf-8?b?{b64encode(word).decode()}?=" for word in (*words, chunk)]


def _part(subtype: str, text: str) -> bytes:
    head = (
        f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    return head.encode() + b2a_qp(text.replace("\n", "\r\n").encode(), istext=True)
