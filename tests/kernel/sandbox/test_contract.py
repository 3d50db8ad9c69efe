"""kernel.wit is the one description of the boundary, and everything else follows it."""

import inspect
import re
from itertools import pairwise

import pytest
from trovato_sdk import kernel as sdk
from trovato_sdk.taps import TAPS

from kernel.sandbox.contract import WIT_FILE, read_contract
from kernel.sandbox.values import READERS, WRITERS
from kernel.tap.catalogue import TAPS as CATALOGUE

INTERFACES = {
    "item-api",
    "db",
    "variables",
    "request-context",
    "user-api",
    "cache-api",
    "plugin-api",
    "queue-api",
    "http-api",
    "logging",
}


@pytest.mark.story("3.3")
def test_the_contract_has_every_interface_and_handles_are_s32():
    contract = read_contract()
    assert {signature.interface for signature in contract.functions} == INTERFACES
    assert contract.qualify("item-api") == "trovato:kernel/item-api@0.1.0"
    assert len(contract.functions) == 33
    by_id = {"load", "save"}
    handled = [s for s in contract.functions if s.interface == "item-api" and s.name not in by_id]
    assert {s.params[0] for s in handled} == {"s32"}


@pytest.mark.story("3.3")
def test_the_plugin_world_exports_the_pair_that_serves_all_taps():
    exports = re.findall(r"export ([\w-]+): func\((.*?)\) -> (.*?);", WIT_FILE.read_text(encoding="utf-8"))
    assert exports == [
        ("describe", "", "string"),
        ("invoke", "tap: string, payload: string", "result<string, string>"),
    ]


def test_every_function_of_the_contract_is_commented():
    lines = WIT_FILE.read_text(encoding="utf-8").splitlines()
    bare = [line for above, line in pairwise(lines) if "func(" in line and "///" not in above]
    assert bare == []


def test_every_kind_of_the_contract_can_be_read_and_written():
    for signature in read_contract().functions:
        assert set(signature.params) <= READERS.keys()
        assert signature.result in WRITERS


@pytest.mark.parametrize(
    ("interface", "protocol"),
    [
        ("item-api", sdk.ItemApi),
        ("user-api", sdk.UserApi),
        ("request-context", sdk.RequestContextApi),
        ("variables", sdk.VariablesApi),
        ("plugin-api", sdk.PluginApi),
        ("logging", sdk.LoggingApi),
    ],
)
def test_the_sdk_knows_the_functions_of_the_contract_by_their_parameters(interface, protocol):
    contract = {s.name: len(s.params) for s in read_contract().functions if s.interface == interface}
    for name, function in vars(protocol).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            assert contract[name.replace("_", "-")] == len(inspect.signature(function).parameters) - 1


def test_the_sdk_knows_the_taps_of_the_catalogue():
    assert {tap.function: tuple(tap.arguments.split(", ")) for tap in CATALOGUE} == TAPS


def test_a_file_without_a_package_is_refused(tmp_path):
    path = tmp_path / "x.wit"
    path.write_text("interface x {}", encoding="utf-8")
    with pytest.raises(ValueError, match="names no package"):
        read_contract(path)
