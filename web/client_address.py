"""Tells where a request comes from: the connection's own address, or what proxies that the site trusts say of it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from quart import Request

from kernel.config import Config, Networks

Address: TypeAlias = IPv4Address | IPv6Address

FORWARDED: Final = "X-Forwarded-For"
# Of one header. More proxies in a row than this nobody has; a longer list was made up.
ENTRIES_MAX: Final = 32
LENGTH_MAX: Final = 4_000
# What is known of somebody whose connection has no address.
NOWHERE: Final = "unknown"


def read_client_address(config: Config, request: Request) -> str:
    """An address as `192.0.2.7` or `2001:db8::7`, or "unknown"; never what a stranger just says of himself."""
    peer: tuple[str, int] | None = request.scope.get("client")
    forwarded = request.headers.getlist(FORWARDED)
    return find_client_address(peer[0] if peer else "", forwarded, config.trusted_proxies)


def find_client_address(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """Goes back from `peer` through the values of X-Forwarded-For, as long as whoever says so is trusted: the first
    one who is not is the client."""
    client = _parse(peer)
    if client is None:
        return NOWHERE
    said = ",".join(forwarded)[-LENGTH_MAX:].split(",")[-ENTRIES_MAX:] if forwarded else []
    for text in reversed(said):
        earlier = _parse(text)
        if earlier is None or not any(client in network for network in trusted):
            break
        client = earlier
    return str(client)


def _parse(text: str) -> Address | None:
    """Also with a port behind it, as some proxies write it; an IPv4 address inside an IPv6 one is the former."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if "%" in text:
        return None  # a name of one machine's own network card says nothing here
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
