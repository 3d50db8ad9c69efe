"""Where a request comes from, and that nobody can say so himself."""

from ipaddress import ip_network

import pytest

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


def test_with_no_proxy_trusted_the_connection_counts():
    assert find_client_address("127.0.0.1", ["192.0.2.1"], ()) == "127.0.0.1"
