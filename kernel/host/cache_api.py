"""`cache-api`: values that a plugin computes once, in a corner of the cache that is its own.

A value is stored with what its plugin had learned by then: it is found again by those alone who would have been told
the same, and goes when data changes that it was made from. Whoever reads it inherits all that.
"""

import hashlib
from typing import Any, Final

import orjson

from kernel.errors import Unavailable
from kernel.names import is_machine_name
from kernel.sandbox.host import HostError, HostFunction
from kernel.shared.cache import Cache, stage_key
from kernel.shared.corner import Corner
from kernel.tap.effects import Wishes
from kernel.tap.fragment import Fragments, Variance
from kernel.tap.scope import PluginState
from kernel.tap.wire import PluginDataError, read_json

INTERFACE: Final = "cache-api"
# In characters, but for values: these are counted in bytes.
KEY_MAX: Final = 255
TAG_MAX: Final = 255
TAGS_MAX: Final = 50
VALUE_MAX: Final = 100_000
# Of one plugin, all stages and viewers together; what it set first goes first. The bytes are those of JSON.
ENTRIES_MAX: Final = 2_000
BYTES_MAX: Final = 10_000_000
# How long an answer is good that was made without a value which may be there a moment later.
MISS_LIFE_S: Final = 60.0
# Each drop of a tag is remembered by every process of the site, so that a plugin has a bounded number of tags: two of
# its own may be one to the kernel, and are then dropped together.
TAG_PLACES: Final = 1_000
_FORMAT: Final = "own1"


def list_cache_functions(cache: Cache, ttl_s: float) -> tuple[HostFunction, ...]:
    async def find_value(state: PluginState, name: str, key: str) -> str | None:
        if not is_machine_name(name) or not 0 < len(key) <= KEY_MAX:
            return None
        place = _build_key(state, name, key)
        kept = (await _open_corner(cache, state, ttl_s).find([place], str)).get(place)
        if kept is None:
            state.record.note_life(MISS_LIFE_S)
            return None
        state.record.merge(kept.recall())
        value: str = kept.answer
        return value

    async def set_value(state: PluginState, name: str, key: str, value: str, tags_json: str) -> bool:
        """False when it was not kept. Error codes: bad-payload, too-large, not-available."""
        _check(name, key, value)
        tags = _read_tags(tags_json)
        if state.scope.fragments is None:
            raise HostError("not-available", "Values are set in taps of a request alone.")
        place = _build_key(state, name, key)
        corner = _open_corner(cache, state, ttl_s)
        # So that what others set under the key before is still found by them.
        await corner.find([place], str)
        record = state.record.copy()
        record.note_tags(*(_name_tag(state, tag) for tag in tags))
        # The plugin itself says by the key what the value is for; chance and side effects are over when it is read.
        record.places.clear()
        record.obstacle = ""
        variance = Variance(record.has_user, frozenset(record.permissions))
        corner.offer(place, value, record, variance)
        return await corner.flush(Corner(f"own:{state.plugin.name}", ENTRIES_MAX, BYTES_MAX)) > 0

    async def invalidate_tag(state: PluginState, tag: str) -> bool:
        """Error codes: bad-payload, not-available."""
        _check_tag(tag)
        state.record.note_obstacle("it forgets what it had kept")
        effects = state.scope.effects
        if effects is not None and not isinstance(effects, Wishes):
            effects.drop_tags(_name_tag(state, tag))
            return True
        try:
            await cache.drop([_name_tag(state, tag)])
        except Unavailable as away:
            raise HostError("not-available", away.message) from None
        return True

    return (
        HostFunction(INTERFACE, "get", find_value),
        HostFunction(INTERFACE, "set", set_value),
        HostFunction(INTERFACE, "invalidate-tag", invalidate_tag),
    )


def _open_corner(cache: Cache, state: PluginState, ttl_s: float) -> Fragments:
    """Apart from the answers of the page, which are kept only when they are whole."""
    fragments = state.scope.fragments
    generation = cache.generation() if fragments is None else fragments.generation
    return Fragments(cache, state.scope.ctx, ttl_s, generation)


def _build_key(state: PluginState, name: str, key: str) -> str:
    """What another version of the plugin has stored may have another form, and what it has stored while another one
    was missing may say so."""
    plugin, missing = state.plugin, state.scope.registry.missing
    parts = [plugin.name, plugin.component.sha256, missing, name, key]
    digest = hashlib.sha256(orjson.dumps(parts)).hexdigest()
    return stage_key(state.scope.ctx.stage_id, f"{_FORMAT}:{digest}")


def _name_tag(state: PluginState, tag: str) -> str:
    number = int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8]) % TAG_PLACES
    return f"cache:{state.plugin.name}:{number}"


def _check(name: str, key: str, value: str) -> None:
    if not is_machine_name(name):
        raise HostError("bad-payload", "A bin's name is a machine name (a-z, 0-9 and _).")
    if not 0 < len(key) <= KEY_MAX:
        raise HostError("bad-payload", f"A key has 1 to {KEY_MAX} characters.")
    if len(value.encode()) > VALUE_MAX:
        raise HostError("too-large", f"A value may be {VALUE_MAX:,} bytes.")


def _read_tags(tags_json: str) -> list[str]:
    try:
        tags: Any = read_json(tags_json)
    except PluginDataError as mistake:
        raise HostError("bad-payload", f"The tags are {mistake}.") from None
    if not isinstance(tags, list) or len(tags) > TAGS_MAX:
        raise HostError("bad-payload", f"The tags are a JSON array of at most {TAGS_MAX} texts.")
    for tag in tags:
        _check_tag(tag)
    return tags


def _check_tag(tag: Any) -> None:
    if not isinstance(tag, str) or not 0 < len(tag) <= TAG_MAX:
        raise HostError("bad-payload", f"A tag is a text of 1 to {TAG_MAX} characters.")
