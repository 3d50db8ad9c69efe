"""Which servers of its own network a site lets plugins ask."""

import pytest

from kernel.config import read_config
from kernel.errors import ConfigError


def test_no_server_is_private_unless_somebody_says_so():
    assert read_config({}).outbound_private_hosts == frozenset()


def test_private_hosts_are_names_with_or_without_a_port():
    config = read_config({"OUTBOUND_PRIVATE_HOSTS": "mail.internal, Search.Internal:8080 , localhost:9000,"})
    assert config.outbound_private_hosts == {"mail.internal", "search.internal:8080", "localhost:9000"}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1:80",
        "[::1]",
        "2130706433",
        "0x7f000001",
        "a.b:",
        "a.b:0",
        "a.b:65536",
        "a.b:x",
        "http://a.b",
        "*",
    ],
)
def test_what_is_no_name_of_a_host_is_refused(host):
    with pytest.raises(ConfigError, match="OUTBOUND_PRIVATE_HOSTS must be hosts such as"):
        read_config({"OUTBOUND_PRIVATE_HOSTS": host})
