"""Secrets: texts that show themselves masked, and connection strings without what must not be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

_SCHEME = re.compile(r"(mongodb(?:\+srv)?://)(.*)", re.DOTALL)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[\w.%-]+)(?::\d{1,5})?")
_DATABASE = re.compile(r"[^/@?:\s]*")
_WHOLLY = "***"

KNOWN_OPTIONS = frozenset(
    [
        "appname",
        "authmechanism",
        "authmechanismproperties",
        "authsource",
        "compressors",
        "connect",
        "connecttimeoutms",
        "datetime_conversion",
        "directconnection",
        "driver",
        "enableoverloadretargeting",
        "fsync",
        "heartbeatfrequencyms",
        "journal",
        "loadbalanced",
        "localthresholdms",
        "maxadaptiveretries",
        "maxconnecting",
        "maxidletimems",
        "maxpoolsize",
        "maxstalenessseconds",
        "minpoolsize",
        "readconcernlevel",
        "readpreference",
        "readpreferencetags",
        "replicaset",
        "retryreads",
        "retrywrites",
        "server_api",
        "servermonitoringmode",
        "serverselectiontimeoutms",
        "sockettimeoutms",
        "srvallowedhostssuffix",
        "srvmaxhosts",
        "srvservicename",
        "ssl",
        "timeoutms",
        "tls",
        "tlsallowinvalidcertificates",
        "tlsallowinvalidhostnames",
        "tlscafile",
        "tlscertificatekeyfile",
        "tlscertificatekeyfilepassword",
        "tlscrlfile",
        "tlsdisableocspendpointcheck",
        "tlsinsecure",
        "tz_aware",
        "unicode_decode_error_handler",
        "uuidrepresentation",
        "w",
        "waitqueuemultiple",
        "waitqueuetimeoutms",
        "wtimeoutms",
        "zlibcompressionlevel",
    ]
)
"""The options that the driver knows, in small letters (pymongo.common.URI_OPTIONS_VALIDATOR_MAP)."""
_SECRET_OPTIONS = frozenset({"authmechanismproperties", "tlscertificatekeyfilepassword"})


@dataclass(frozen=True, slots=True)
class _Address:
    """A connection string in its parts, cut where the driver cuts it (pymongo.uri_parser).

    Options end at `&` or `;`. `user_info` None: there is none. `path` begins with its `/`, where there is one.
    """

    scheme: str
    user_info: str | None
    hosts: str
    path: str
    options: tuple[tuple[str, str], ...]
    separator: str

    @property
    def database(self) -> str | None:
        return unquote_plus(self.path[1:]).partition(".")[0] or None

    def masked(self) -> str:
        """Without the password, and without the value of each option that holds a secret or that nobody knows."""
        user, colon, _ = (self.user_info or "").partition(":")
        who = "" if self.user_info is None else f"{user}{colon}{'***' if colon else ''}@"
        options = self.separator.join(f"{name}={_shown(name, value)}" for name, value in self.options)
        return f"{self.scheme}{who}{self.hosts}{self.path}{'?' if options else ''}{options}"


def _shown(name: str, value: str) -> str:
    return "***" if name.lower() in _SECRET_OPTIONS or name.lower() not in KNOWN_OPTIONS else value


def _read(uri: str) -> _Address | None:
    """The parts; None for what is no connection string, or may be one with a password that was not escaped.

    An `@` of an option is one only behind a name that the driver knows: else it may end a password that has a `?`.
    """
    found = _SCHEME.fullmatch(uri)
    if found is None:
        return None
    address, _, query = found[2].partition("?")
    authority, slash, path = address.partition("/")
    user_info, at, hosts = authority.rpartition("@")
    if not _DATABASE.fullmatch(path) or not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        return None
    pairs = [part.partition("=") for part in re.split("[&;]", query)] if query else []
    for name, equals, value in pairs:
        known = name.lower() in KNOWN_OPTIONS
        if not re.fullmatch(r"\w+", name) or not equals or ("@" in value and not known) or "=" in value:
            return None
    options = tuple((name, value) for name, _, value in pairs)
    return _Address(found[1], user_info if at else None, hosts, slash + path, options, ";" if ";" in query else "&")


def mask_uri(uri: str) -> str:
    """A connection string without its password and without the options that hold one; `***` for one that is unclear.

    Of an option that the driver does not know the value is masked too.
    """
    address = _read(uri)
    if address is not None:
        return address.masked()
    scheme = _SCHEME.fullmatch(uri)
    return f"{scheme[1]}{_WHOLLY}" if scheme else _WHOLLY


def holds_secret(uri: str) -> bool:
    """Whether a connection string has a password, or what may be one."""
    address = _read(uri)
    if address is None:
        return True
    secret = any(_shown(name, value) != value for name, value in address.options)
    return secret or ":" in (address.user_info or "")


def hosts_of(uri: str) -> str:
    """`host:port[,host:port...]`, without credentials, database and options; `***` for a URI that is unclear."""
    address = _read(uri)
    return _WHOLLY if address is None else address.hosts


def database_of(uri: str) -> str | None:
    """The database that a connection string names."""
    address = _read(uri)
    return None if address is None else address.database


def options_of(uri: str) -> dict[str, str]:
    """The options of a connection string, their names and values in small letters."""
    address = _read(uri)
    return {} if address is None else {n.lower(): unquote_plus(v).lower() for n, v in address.options}


class Secret:
    """A text that prints itself masked; `reveal()` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return mask_uri(self._text) if "://" in self._text else "***"

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"
