"""Where a request comes from, and that nobody can say so himself."""

from ipaddress import ip_network

import pytest

from kernel.config import read_config
from web.client_address import find_client_address

TRUSTED = (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        pytest.param("203.0.113.9", [], "203.0.113.9", id="straight"),
        pytest.param("203.0.113.9", ["192.0.2.1"], "203.0.113.9", id="a-lie"),
        pytest.param("10.0.0.1", ["192.0.2.1"], "192.0.2.1", id="through-a-proxy"),
        pytest.param("10.0.0.1", ["198.51.100.1, 192.0.2.1"], "192.0.2.1", id="a-lie-through-a-proxy"),
        pytest.param("10.0.0.1", ["198.51.100.1", "192.0.2.1"], "192.0.2.1", id="a-lie-in-two-headers"),
        pytest.param("10.0.0.1", ["192.0.2.1, 10.9.9.9"], "192.0.2.1", id="through-two-proxies"),
        pytest.param("10.0.0.1", ["10.9.9.9"], "10.9.9.9", id="of-the-own-network"),
        pytest.param("10.0.0.1", ["192.0.2.1:4711"], "192.0.2.1", id="with-a-port"),
        pytest.param("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7", id="with-brackets"),
        pytest.param("fd00::1", ["2001:DB8:0::7"], "2001:db8::7", id="in-its-short-form"),
        pytest.param("::ffff:10.0.0.1", ["::ffff:192.0.2.1"], "192.0.2.1", id="mapped"),
        pytest.param("10.0.0.1", ["unknown"], "10.0.0.1", id="no-address"),
        pytest.param("::ffff:10.0.0.1", ["[::ffff:192.0.2.1]:4711"], "192.0.2.1", id="mapped-with-a-port"),
        pytest.param("fd00::1", ["2001:db8::7"], "2001:db8::7", id="without-brackets"),
        pytest.param("fd00::1", [" [2001:db8::7] "], "2001:db8::7", id="brackets-and-no-port"),
        pytest.param("fd00::1", ["192.0.2.1,[fd00::2]:80 ,\tfd00:0::3"], "192.0.2.1", id="through-three"),
        pytest.param("fd00::1%eth0", ["2001:db8::7"], "2001:db8::7", id="proxy-at-a-network-card"),
        pytest.param("2001:db8::9%eth0", ["192.0.2.1"], "2001:db8::9", id="a-lie-at-a-network-card"),
        pytest.param("fd00::1", ["[fe80::1%25eth0]:80"], "fd00::1", id="of-a-network-card-with-a-port"),
        pytest.param("fd00::1", ["[2001:db8::7]x"], "fd00::1", id="something-behind-brackets"),
        pytest.param("fd00::1", ["[[2001:db8::7]]"], "fd00::1", id="brackets-in-brackets"),
        pytest.param("fd00::1", ["2001:db8::7]:80"], "fd00::1", id="half-a-bracket"),
        pytest.param("fd00::1", ["[192.0.2.1:80"], "fd00::1", id="the-other-half"),
        pytest.param("10.0.0.1", ["192.0.2.1:x"], "10.0.0.1", id="no-port"),
        pytest.param("10.0.0.1", ["192.0.2.1:٣"], "10.0.0.1", id="digits-of-another-script"),
        pytest.param("10.0.0.1", ["192.0.2.01"], "10.0.0.1", id="perhaps-octal"),
        pytest.param("10.0.0.1", ["3221225985"], "10.0.0.1", id="a-number"),
        pytest.param("10.0.0.1", ["2001:db8::7::1"], "10.0.0.1", id="no-ipv6"),
        pytest.param("10.0.0.1", ["192.0.2.1\r\nX-Forwarded-For: 10.0.0.9"], "10.0.0.1", id="another-line"),
        pytest.param("10.0.0.1", ["\x00", "192.0.2.1\x00"], "10.0.0.1", id="nul"),
        pytest.param("10.0.0.1", ["192.0.2.1, <script>"], "10.0.0.1", id="markup"),
        pytest.param("10.0.0.1", ["fe80::1%eth0"], "10.0.0.1", id="of-a-network-card"),
        pytest.param("10.0.0.1", ["", " , "], "10.0.0.1", id="empty"),
        pytest.param("10.0.0.1", ["10.0.0.2," * 100_000 + "192.0.2.1"], "192.0.2.1", id="endless"),
        pytest.param("", ["192.0.2.1"], "unknown", id="no-peer"),
        pytest.param("/run/site.sock", ["192.0.2.1"], "unknown", id="a-socket"),
    ],
)
def test_only_trusted_proxies_are_believed(peer, forwarded, client):
    assert find_client_address(peer, forwarded, TRUSTED) == client


def test_networks_of_proxies_are_compared_as_addresses_are():
    env = {"TRUSTED_PROXIES": "2001:db8:a::/48, ::ffff:10.0.0.0/104,::ffff:172.16.0.1, fe80::/10"}
    trusted = read_config(env).trusted_proxies
    for proxy in ("2001:db8:a:ffff::1", "10.255.0.1", "::ffff:10.0.0.1", "172.16.0.1", "fe80::1%eth0"):
        assert find_client_address(proxy, ["2001:db8:b::7"], trusted) == "2001:db8:b::7", proxy
    for stranger in ("2001:db8:b::1", "11.0.0.1", "::ffff:172.16.0.2", "fec0::1"):
        assert find_client_address(stranger, ["2001:db8:a::7"], trusted) != "2001:db8:a::7", stranger


def test_with_no_proxy_trusted_the_connection_counts():
    assert find_client_address("127.0.0.1", ["192.0.2.1"], ()) == "127.0.0.1"
