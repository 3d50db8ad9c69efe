"""Tells where a request comes from: the connection's own address, or what proxies that the site trusts say of it."""

import re
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
# With a port behind it, as some proxies write it; one of IPv6 then stands in brackets, without a port it may.
WITH_PORT: Final = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::[0-9]{1,5})?")
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
    # Behind a % the connection names this machine's own network card.
    client = _parse(peer.partition("%")[0])
    if client is None:
        return NOWHERE
    said = ",".join(forwarded)[-LENGTH_MAX:].split(",")[-ENTRIES_MAX:] if forwarded else []
    for text in reversed(said):
        earlier = _read_entry(text)
        if earlier is None or not any(client in network for network in trusted):
            break
        client = earlier
    return str(client)


def _read_entry(text: str) -> Address | None:
    """None for whatever is no address, also for the name of another machine's network card in one."""
    text = text.strip(" \t")
    found = WITH_PORT.fullmatch(text)
    return _parse((found[1] or found[2] or "") if found is not None else text)


def _parse(text: str) -> Address | None:
    """An IPv4 address inside an IPv6 one is the former."""
    if "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
