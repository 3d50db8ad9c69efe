"""What an address, a subject and a sender may hold, and what no header can be made of."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.config import read_config
from kernel.errors import BadInput, ConfigError
from kernel.mail.address import check_address, normalise_address
from kernel.mail.letter import Letter, Message, build_message_id, write_message, write_mime

SENDER = "The Garden Gazette <site@example.org>"
CREATED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("ada@example.org", "ada@example.org"),
        (" Ada.L+site@Example.ORG ", "Ada.L+site@example.org"),
        ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
        # A Cyrillic letter: it is seen to be another domain.
        ("ada@\u0430pple.com", "ada@xn--pple-43d.com"),
        (f"{'a' * 64}@example.org", f"{'a' * 64}@example.org"),
    ],
)
def test_an_address_has_one_spelling(typed, address):
    assert normalise_address(typed) == address
    assert check_address(address) == ""


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@localhost",
        "ada@127.0.0.1",
        "ada@[127.0.0.1]",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada\n@example.org",
        "ada@exam\rple.org",
        "ada@example.org\x00",
        "ada@example.org, eve@example.org",
        "<ada@example.org>",
        '"ada lovelace"@example.org',
        "ada@eve.example@example.org",
        "ada..l@example.org",
        ".ada@example.org",
        "ada@-example.org",
        "ada@example..org",
        "ädä@example.org",
        # What would turn into another domain on the way.
        "ada@stra\u00dfe.de",
        "ada@\uff45xample.org",
        "ada@exa\u200dmple.org",
        "ada@example\u3002org",
        f"{'a' * 65}@example.org",
        f"ada@{'a' * 64}.org",
        f"ada@{'a.' * 130}org",
        "a" * 100_000 + "@example.org",
    ],
    ids=lambda typed: ascii(typed)[:40],
)
def test_what_is_no_address_is_refused(typed):
    assert check_address(normalise_address(typed)) != ""
    with pytest.raises(BadInput):
        Message(normalise_address(typed), "Hello", "text")


@given(st.text())
def test_whatever_is_typed_becomes_an_address_or_a_complaint(typed):
    address = normalise_address(typed)
    if not check_address(address):
        assert address.isascii()
        assert address.isprintable()
        assert normalise_address(address) == address


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_becomes_a_header(subject, text):
    """As what a server is handed: the only headers are ours."""
    try:
        message = Message("ada@example.org", subject, text, f"<p>{text}</p>")
    except BadInput:
        return
    mime = write_mime(message, sender=SENDER, message_id="<1@example.org>", created=CREATED)
    head = mime.as_bytes().split(b"\r\n\r\n", 1)[0]
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert names == [
        *(b"From", b"To", b"Subject", b"Date", b"Message-ID"),
        *(b"Auto-Submitted", b"MIME-Version", b"Content-Type"),
    ]


@pytest.mark.parametrize(
    "subject", ["", "a\r\nBcc: eve@example.org", "a\nb", "a\x00b", "a\u2028b", "x" * 201]
)
def test_a_subject_is_one_line(subject):
    with pytest.raises(BadInput):
        Message("ada@example.org", subject, "text")


def test_a_letter_is_text_and_html_that_escapes():
    letter = Letter(
        "greeting", "ada@example.org", "Hello", ("Dear <Ada> & all,",), "https://example.org/?a=1&b=2", "Open"
    )
    message = write_message(letter, site_name="<Site>", site_url="https://example.org")
    assert message.text == (
        "Dear <Ada> & all,\n\nhttps://example.org/?a=1&b=2\n\n-- \n<Site>\nhttps://example.org\n"
    )
    assert "<p>Dear &lt;Ada&gt; &amp; all,</p>" in message.html
    assert '<a href="https://example.org/?a=1&amp;b=2">Open</a>' in message.html
    assert "&lt;Site&gt;" in message.html
    with pytest.raises(BadInput):
        write_message(replace(letter, subject="a\nb"), site_name="Site", site_url="https://example.org")


def test_the_name_of_a_message_is_that_of_its_job_at_the_site():
    assert build_message_id(UUID(int=7), SENDER) == "<00000000-0000-0000-0000-000000000007@example.org>"


GOOD = {"SITE_URL": "https://example.org", "MAIL_FROM": SENDER}


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://site:p%40ss@mail.example.org:2525", ("mail.example.org", 2525, "site", "p@ss", "starttls")),
        ("smtp://mail.example.org", ("mail.example.org", 587, "", "", "starttls")),
        ("smtps://site:x@mail.example.org", ("mail.example.org", 465, "site", "x", "implicit")),
        ("smtp://localhost:25", ("localhost", 25, "", "", "none")),
        ("smtp://site:x@localhost:25", ("localhost", 25, "site", "x", "starttls")),
        ("smtp://relay.internal:25?starttls=no", ("relay.internal", 25, "", "", "none")),
    ],
)
def test_a_server_is_read_from_its_url(url, server):
    mail = read_config({**GOOD, "SMTP_URL": url}).mail
    read = mail.server
    assert (read.host, read.port, read.username, read.password, read.tls) == server
    assert mail.sender == SENDER
    assert "p@ss" not in repr(read)


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ({"SMTP_URL": "smtp://mail.example.org"}, ["MAIL_FROM", "SITE_URL"]),
        ({**GOOD, "SMTP_URL": "https://mail.example.org"}, ["SMTP_URL"]),
        ({**GOOD, "SMTP_URL": "smtp://mail.example.org/inbox"}, ["SMTP_URL"]),
        ({**GOOD, "SMTP_URL": "smtp://mail.example.org?starttls=maybe"}, ["SMTP_URL"]),
        ({"MAIL_FROM": "site"}, ["MAIL_FROM"]),
        ({"MAIL_FROM": "a@example.org\nBcc: eve@example.org"}, ["MAIL_FROM"]),
        ({"MAIL_FROM": "A <a@example.org>, B <b@example.org>"}, ["MAIL_FROM"]),
    ],
)
def test_what_cannot_be_meant_stops_the_start(env, names):
    with pytest.raises(ConfigError) as stopped:
        read_config(env)
    assert [problem.split(" ")[0] for problem in stopped.value.problems] == names
