"""What a program wants to ask is read strictly: whatever could be read in two ways is refused."""

import pytest

from kernel.outbound.request import BODY_MAX, Request, RequestError, read_request


def test_a_request_is_read_as_it_stands():
    request = read_request(
        {
            "method": "POST",
            "url": "https://API.Example.com:8443/a%20b/?q=1&r=a/b?c",
            "headers": {"X-Signature": "abc", "Content-Type": "application/json"},
            "body": "grüße",
            "timeout_s": 2,
        }
    )
    assert request == Request(
        method="POST",
        scheme="https",
        host="api.example.com",
        port=8443,
        path="/a%20b/",
        query="q=1&r=a/b?c",
        headers={"X-Signature": "abc", "Content-Type": "application/json"},
        body="grüße".encode(),
        timeout_s=2.0,
    )


def test_what_is_not_said_has_a_plain_meaning():
    assert read_request({"url": "https://example.com"}) == Request(
        "GET", "https", "example.com", 443, "/", "", {}, b"", 10.0
    )
    assert read_request({"url": "http://example.com?x"}).port == 80


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "HTTPS://example.com/",
        "https:/example.com/",
        "https:example.com",
        "https://",
        # Somebody before the host, or what could be taken for it.
        "https://user@example.com/",
        "https://user:secret@example.com/",
        "https://example.com@evil.example.org/",
        "https://example.com%40evil.example.org/",
        "https://example.com\\@evil.example.org/",
        "https://example.com\\.evil.example.org/",
        "https:\\\\example.com\\",
        "https://example.com#@evil.example.org/",
        "https://example.com/#part",
        # Addresses in all their forms, and names that are read as one.
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://::1/",
        "https://example.com./",
        "https://.example.com/",
        "https://example..com/",
        "https://-example.com/",
        "https://exa_mple.com/",
        # Other alphabets, and signs that are made into dots and slashes.
        "https://exämple.com/",
        "https://example。com/",
        "https://ⓔxample.com/",
        "https://example.com／path",
        "https://example.com/grüße",
        # Lines and spaces.
        " https://example.com/",
        "https://example.com/ ",
        "https://example.com/\r\nX-Evil: 1",
        "https://example.com/\n",
        "https://exam\tple.com/",
        "https://example.com\x00.evil.example.org/",
        # Ports.
        "https://example.com:/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:443:80/",
        "https://example.com:-1/",
        "https://example.com:0x1bb/",
        "https://example.com:４４３/",
        "https://example.com/" + "a" * 4_000,
        "https://" + "a" * 64 + ".com/",
        None,
        7,
        ["https://example.com/"],
    ],
)
def test_a_url_with_two_meanings_is_refused(url):
    with pytest.raises(RequestError, match=r"^url must "):
        read_request({"url": url})


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"method": "CONNECT"}, "method must be one of"),
        ({"method": "get"}, "method must be one of"),
        ({"method": ["GET"]}, "method must be one of"),
        ({"follow": True}, "The request has 'follow'"),
        ({"headers": []}, "headers must be an object"),
        ({"headers": {"": "x"}}, "no name of a header"),
        ({"headers": {"X Y": "x"}}, "no name of a header"),
        ({"headers": {"X\r\nEvil": "x"}}, "no name of a header"),
        ({"headers": {"X:": "x"}}, "no name of a header"),
        ({"headers": {"X": "a\r\nEvil: 1"}}, "one line"),
        ({"headers": {"X": "a\nb"}}, "one line"),
        ({"headers": {"X": "grüße"}}, "one line"),
        ({"headers": {"X": 1}}, "one line"),
        ({"headers": {"Host": "evil.example.org"}}, "the kernel sets itself"),
        ({"headers": {"hOST": "evil.example.org"}}, "the kernel sets itself"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "the kernel sets itself"),
        ({"headers": {"Content-Length": "0"}}, "the kernel sets itself"),
        ({"headers": {"Connection": "upgrade"}}, "the kernel sets itself"),
        ({"headers": {"Proxy-Authorization": "Basic eDp5"}}, "the kernel sets itself"),
        ({"headers": {"X": "y" * 16_001}}, "16,000 bytes"),
        ({"headers": {f"X-{n}": "" for n in range(51)}}, "at most 50"),
        ({"body": {"a": 1}}, "body must be text"),
        ({"body": "x" * (BODY_MAX + 1)}, "100,000 bytes"),
        ({"body": "ü" * (BODY_MAX // 2 + 1)}, "100,000 bytes"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": -1}, "timeout_s"),
        ({"timeout_s": 10.1}, "timeout_s"),
        ({"timeout_s": "5"}, "timeout_s"),
        ({"timeout_s": True}, "timeout_s"),
    ],
)
def test_other_mistakes_have_a_sentence_each(part, sentence):
    with pytest.raises(RequestError, match=sentence):
        read_request({"url": "https://example.com/", **part})


@pytest.mark.parametrize("data", [None, [], "https://example.com/", 1])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(RequestError, match="must be an object"):
        read_request(data)


@pytest.mark.parametrize(
    ("url", "hosts", "listed"),
    [
        ("https://api.example.com/", {"api.example.com"}, True),
        ("https://api.example.com:443/", {"api.example.com"}, True),
        ("https://api.example.com/", {"api.example.com:443"}, True),
        ("http://api.example.com/", {"api.example.com"}, True),
        ("https://api.example.com:8443/", {"api.example.com:8443"}, True),
        ("https://api.example.com:8443/", {"api.example.com"}, False),
        ("https://api.example.com:80/", {"api.example.com"}, False),
        ("http://api.example.com:443/", {"api.example.com"}, False),
        ("https://api.example.com/", {"example.com"}, False),
        ("https://evil-api.example.com/", {"api.example.com"}, False),
        ("https://api.example.com.evil.org/", {"api.example.com"}, False),
        ("https://xn--pi-fka.example.com/", {"api.example.com"}, False),
        ("https://api.example.com/", set(), False),
    ],
)
def test_a_server_is_listed_by_its_whole_name_and_port(url, hosts, listed):
    assert read_request({"url": url}).is_listed(hosts) == listed
