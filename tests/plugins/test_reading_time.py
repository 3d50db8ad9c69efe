"""The plugin `reading_time` through its artefact, on a site."""

import pytest

pytestmark = pytest.mark.long


async def test_every_type_with_a_long_text_tells_its_reading_time(open_with):
    async with open_with("reading_time") as owner:
        await owner.set_variable("reading_time_words_per_minute", "100")
        page = await owner.save("Long", field_body="<p class='a b'>word</p> " * 400)
        empty = await owner.save("Without a text")
        assert '<p class="reading-time">4 min read</p>' in (await owner.fetch(page["path"])).text
        assert "min read" not in (await owner.fetch(empty["path"])).text
