"""The SDK's part in loading, saving, asking and calling, in an ordinary Python with the stand-in for the kernel."""

import json
from types import ModuleType

import pytest
from trovato_sdk import CallError, FetchError, ItemError, Saved, http, items, offer, plugins
from trovato_sdk.dispatch import Plugin, TapFailedError
from trovato_sdk.kernel import Err
from trovato_sdk.taps import TapDefinitionError
from trovato_sdk.testing import TestKernel

URL = "https://api.example.com/"


def refuse(code):
    """What every host function does that says no."""

    def call(*_arguments):
        raise Err(json.dumps({"code": code, "message": "No."}))

    return call


@pytest.fixture
def kernel():
    with TestKernel(plugins=["blog"]) as opened:
        yield opened


def test_an_item_is_loaded_or_there_is_none(kernel):
    kernel.stored["7"] = {"type": "page", "title": "Hello", "status": 1, "fields": {"field_n": {"value": 3}}}
    item = items.load("7")
    assert item is not None
    assert (item.id, item.type, item.title, item.integer("field_n"), item.is_published) == (
        "7",
        "page",
        "Hello",
        3,
        True,
    )
    assert items.load("8") is None


def test_what_is_saved_is_what_was_given(kernel):
    made = items.save(
        type="page", title="Hello", fields={"field_n": 3, "field_b": {"value": "x", "format": "f"}}
    )
    changed = items.save(id="7", status=0, promote=False, fields={"field_n": None}, log_message="Why")
    assert kernel.saved == [
        {
            "type": "page",
            "title": "Hello",
            "fields": {"field_n": {"value": 3}, "field_b": {"value": "x", "format": "f"}},
        },
        {
            "id": "7",
            "status": 0,
            "promote": False,
            "fields": {"field_n": {"value": None}},
            "log_message": "Why",
        },
    ]
    assert isinstance(made, Saved)
    assert changed.id == "7"


def test_a_server_is_asked_and_its_answer_read(kernel):
    kernel.answers["POST", URL] = (201, {"content-type": "application/json"}, '{"ok": true}')
    answer = http.fetch(URL, method="POST", headers={"X-A": "b"}, body="{}", timeout_s=2)
    assert (answer.status, answer.is_ok, answer.json(), answer.text) == (
        201,
        True,
        {"ok": True},
        '{"ok": true}',
    )
    assert kernel.fetched == [
        {"method": "POST", "url": URL, "timeout_s": 2, "headers": {"X-A": "b"}, "body": "{}"}
    ]
    kernel.answers["GET", URL] = (404, {}, "")
    assert not http.fetch(URL).is_ok


def test_an_answer_that_is_no_text_is_bytes(kernel, monkeypatch):
    told = json.dumps({"status": 200, "headers": {}, "body": "/wA=", "is_base64": True})
    monkeypatch.setattr(kernel.http_api, "fetch", lambda _request: told)
    answer = http.fetch(URL)
    assert (answer.body, answer.text) == (b"\xff\x00", "\ufffd\x00")


def test_a_function_of_another_plugin_is_called(kernel):
    kernel.functions["blog", "get_featured"] = lambda data: {"of": data}
    assert plugins.exists("blog")
    assert plugins.call("blog", "get_featured", [1]) == {"of": [1]}


@pytest.mark.parametrize(
    ("place", "call", "error"),
    [
        ("item_api.load", lambda: items.load("7"), ItemError),
        ("item_api.save", lambda: items.save(id="7"), ItemError),
        ("http_api.fetch", lambda: http.fetch(URL), FetchError),
        ("plugin_api.invoke", lambda: plugins.call("blog", "x"), CallError),
    ],
)
def test_a_refusal_is_an_error_with_its_code(kernel, monkeypatch, place, call, error):
    interface, function = place.split(".")
    monkeypatch.setattr(getattr(kernel, interface), function, refuse("too-deep"))
    with pytest.raises(error, match=r"too-deep: No\.") as refused:
        call()
    assert (refused.value.code, refused.value.message) == ("too-deep", "No.")


def test_the_stand_in_says_how_a_test_brings_what_it_does_not_have(kernel):
    with pytest.raises(FetchError, match=r"In a test: kernel\.answers"):
        http.fetch(URL)
    with pytest.raises(CallError, match=r"In a test: kernel\.functions"):
        plugins.call("blog", "get_featured")


def make_plugin(**functions):
    module = ModuleType("sample")
    vars(module).update(functions)
    return Plugin("sample", module)


@pytest.mark.story("8.9")
def test_an_offered_function_is_described_and_answers_under_its_own_name():
    @offer
    def get_featured(data, ctx):
        return [data, ctx.stage]

    @offer
    def count():
        return 3

    plugin = make_plugin(get_featured=get_featured, count=count, other=lambda: 1)
    assert json.loads(plugin.describe())["functions"] == ["count", "get_featured"]
    assert json.loads(plugin.describe())["taps"] == []
    payload = json.dumps({"ctx": {"stage": "spring", "language": "en"}, "data": {"n": 1}})
    assert json.loads(plugin.invoke("function:get_featured", payload)) == [{"n": 1}, "spring"]
    assert plugin.invoke("function:count", "{}") == "3"
    for name in ("get_featured", "tap_get_featured", "function:other"):
        with pytest.raises(TapFailedError, match="tap-not-implemented"):
            plugin.invoke(name, "{}")


def test_a_function_for_others_that_asks_for_more_ends_the_build():
    def get_featured(item):
        return item

    with pytest.raises(TapDefinitionError, match=r"get_featured asks for item, but .* has: data, ctx"):
        offer(get_featured)
