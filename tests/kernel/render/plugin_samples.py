"""What the pages of plugins are given, for each state that a plugin can be in."""

from dataclasses import replace
from pathlib import Path

from kernel.clock import now
from kernel.ids import uuid7
from kernel.lifecycle.compare import list_wishes
from kernel.lifecycle.overview import PluginLine
from kernel.plugin.model import Manifest, PluginSet, Stop
from kernel.supervision.store import Failure
from kernel.supervision.usage import summarise
from kernel.tap.capability import Capabilities, Table
from kernel.tap.registry import TapOptions
from web.plugin_view import describe_plugin, describe_settings

NUMBERS = (
    ("calls", 1_204),
    ("failures", 3),
    ("cpu_us", 900_000),
    ("host_calls", 2_408),
    ("measured", 3),
    ("memory_kb", 61_440),
    ("b4", 1_000),
    ("b9", 204),
)


def make_plugin_pages(common):
    taps = {"tap_item_view": TapOptions(), "tap_page": TapOptions(weight=5)}
    may = Capabilities(hosts=frozenset({"api.example.com"}), tables={"vote": Table("vote", ())})
    manifest = Manifest("votes", "1.2.0", Path("votes"), "Stars for posts.", ("blog",), taps, may)
    wishes = list_wishes(manifest)
    line = PluginLine(
        "votes", "enabled", "1.2.0", "1.3.0", "Stars for posts.", (), wishes, wishes[:1], manifest, now()
    )
    broken = replace(
        line, name="maps", state="broken", offered="", problems=("Plugin 'maps' requires 'geo'.",)
    )
    uploaded = replace(line, uploaded="1.2.0", in_folder="1.3.0")
    offered = replace(uploaded, name="shop", state="offered", offered="", new_wishes=wishes)
    stop = Stop("votes", "tap_page", now(), "Plugin 'votes', tap_page: RuntimeError: no")
    failure = Failure(
        *(uuid7(), now(), "votes", "tap_page", "tap-error", stop.message, "Traceback"),
        *("0" * 64, "", 40, 20, True),
    )
    page = common("votes", path="/admin/plugins/votes", breadcrumbs=[("Plugins", "/admin/plugins")])
    plugins = PluginSet(stops=(stop,))
    shown = describe_plugin(plugins, line, [summarise("tap_item_view", dict(NUMBERS))])
    nothing = describe_plugin(PluginSet(), offered, [])
    shown |= {"rows": ["vote (12 rows)"], "unsettled": ["table 'vote' gets the unique index over item_id"]}
    nothing |= {"rows": [], "unsettled": []}
    settings = describe_settings("votes", {"votes_title": "Stars", "votes_secret": "s3cret"})
    wrong = {"votes_title": "Too long.", "votes_x": "A name has a-z.", "": "Too many."}
    refused = describe_settings(
        "votes", {"votes_title": "Stars"}, {"value:votes_title": ["S<"], "name": ["x"], "value": ["y"]}, wrong
    )
    none = describe_settings("votes", {})
    both = {"installed": [line, broken], "offered": [offered]}
    listed = common("Plugins", path="/admin/plugins")
    yield "plugins", "admin/plugins.html", {**listed, **both}
    yield "plugins_none", "admin/plugins.html", {**listed, "installed": [], "offered": []}
    yield (
        "plugin",
        "admin/plugin.html",
        {**page, **shown, "line": line, "approved": "0", "failures": [failure], "settings": settings},
    )
    faulty = {**page, **shown, "line": line, "approved": "0", "failures": [], "settings": refused}
    yield "plugin_settings_refused", "admin/plugin.html", faulty
    yield (
        "plugin_offered",
        "admin/plugin.html",
        {**page, **nothing, "line": offered, "approved": "0", "failures": [], "settings": none},
    )
    yield (
        "plugin_broken",
        "admin/plugin.html",
        {**page, **nothing, "line": broken, "approved": "", "failures": [], "settings": none},
    )
