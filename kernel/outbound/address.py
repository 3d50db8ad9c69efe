"""Which addresses of the internet are everybody's; all others may lead into the site's own network."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

# Everything in IPv6 that has been given out to networks of the world; private, local, mapped and translated addresses
# (fc00::/7, fe80::/10, ::ffff:0:0/96, 64:ff9b::/96 …) stand outside of it.
_GLOBAL_IPV6: Final = ip_network("2000::/3")
_REFUSED_IPV6: Final = tuple(
    ip_network(network)
    for network in (
        "2001::/23",  # protocols of the network itself, among them Teredo, which carries IPv4 addresses
        "2001:db8::/32",  # examples
        "2002::/16",  # 6to4, which carries IPv4 addresses
        "3fff::/20",  # examples
    )
)
_REFUSED_IPV4: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this machine
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # inside of providers
        "127.0.0.0/8",  # this machine
        "168.63.129.16/32",  # a cloud's own services, at an address that looks like everybody's
        "169.254.0.0/16",  # this link, and what clouds tell their machines
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocols
        "192.0.2.0/24",  # examples
        "192.88.99.0/24",  # relays to IPv6
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # measurements
        "198.51.100.0/24",  # examples
        "203.0.113.0/24",  # examples
        "224.0.0.0/4",  # many at once
        "240.0.0.0/4",  # reserved, and everybody on the link
    )
)


def is_public(address: str) -> bool:
    """Whether a server of the internet can have it. What is no address is not public."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _REFUSED_IPV4)
    if parsed.scope_id is not None or parsed not in _GLOBAL_IPV6:
        return False
    return not any(parsed in network for network in _REFUSED_IPV6)
