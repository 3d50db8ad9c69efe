"""What plugins answer is read strictly, with a sentence for each mistake."""

import pytest

from kernel.tap import answers
from kernel.tap.answers import MenuEntry, Page, Permission, QueueInfo
from kernel.tap.wire import MAX_DEPTH, PluginDataError, read_json


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("NaN", "not valid JSON"),
        ("[Infinity]", "not valid JSON"),
        ('"\\ud800"', "not valid JSON"),
        ('{"a": "\\u0000"}', "holds a NUL"),
        ('{"\\u0000": 1}', "holds a NUL"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper than 64"),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), "nested deeper than 64"),
        (b'"\xff"', "not valid JSON"),
    ],
)
def test_json_that_cannot_be_trusted_is_refused(text, reason):
    with pytest.raises(PluginDataError, match=reason):
        read_json(text)
    if isinstance(text, str):
        with pytest.raises(PluginDataError, match=reason):
            read_json(text.encode())


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("[" * MAX_DEPTH + "]" * MAX_DEPTH, id="as-deep-as-allowed"),
        pytest.param("[" + "[],[]," * 100 + "[]]", id="wide"),
        pytest.param('"\\\\u0000"', id="the-six-characters-of-an-escape"),
        pytest.param('"😀"', id="astral"),
    ],
)
def test_unusual_json_is_read(value):
    assert read_json(value) == read_json(value.encode())


@pytest.mark.parametrize(
    ("read", "answer", "value"),
    [
        (answers.read_nothing, None, None),
        (answers.read_item_types, None, []),
        (answers.read_item_types, [{"type": "blog"}], [{"type": "blog"}]),
        (answers.read_item_change, None, {}),
        (answers.read_item_change, {"title": "T"}, {"title": "T"}),
        (
            answers.read_item_change,
            {"fields": {"field_a": {"value": None}}},
            {"fields": {"field_a": {"value": None}}},
        ),
        (answers.read_trees, [None, {"#type": "markup"}], [None, {"#type": "markup"}]),
        (answers.read_index_text, "words", "words"),
        (answers.read_index_text, None, None),
        (answers.read_permissions, [{"name": "fly"}], [Permission("fly", "fly")]),
        (answers.read_menu_entries, [{"path": "/a", "title": "A"}], [MenuEntry("/a", "A")]),
        (
            answers.read_menu_entries,
            [{"path": "/a", "title": "A", "function": "f", "lists": "blog", "weight": 3, "parent": None}],
            [MenuEntry("/a", "A", function="f", lists="blog", weight=3)],
        ),
        (answers.read_queues, None, []),
        (answers.read_queues, [{"name": "mail", "label": "Mail"}], [QueueInfo("mail", "Mail", 3, 20)]),
        (
            answers.read_queues,
            [
                {"name": "a", "label": "A", "max_attempts": 1, "timeout_s": 60},
                {"name": "b", "label": "B", "max_attempts": 10, "timeout_s": 1},
            ],
            [QueueInfo("a", "A", 1, 60), QueueInfo("b", "B", 10, 1)],
        ),
        (answers.read_note, "3 posts cleaned", "3 posts cleaned"),
        (answers.read_note, None, None),
        (answers.read_page, {"title": "T"}, Page("T", None)),
        (answers.read_page, {"title": "T", "content": {"#type": "x"}}, Page("T", {"#type": "x"})),
    ],
)
def test_a_good_answer_is_read(read, answer, value):
    assert read(answer) == value


@pytest.mark.parametrize(
    ("read", "answer", "reason"),
    [
        (answers.read_nothing, 1, "must answer nothing, not a number"),
        (answers.read_item_types, {}, "a list of item types, each an object"),
        (answers.read_item_types, ["blog"], "a list of item types, each an object"),
        (answers.read_item_types, [{"type": "Blog"}], "'type' must be a machine name"),
        (answers.read_item_types, [{}] * 201, "answered 201 item types; 200 is the most"),
        (answers.read_item_change, [], "the change must be an object, not a list"),
        (answers.read_item_change, {"status": 0}, "the change has 'status', which means nothing"),
        (answers.read_item_change, {"title": 3}, "'title' must be text, not a number"),
        (answers.read_item_change, {"fields": []}, "'fields' must be an object, not a list"),
        (answers.read_item_change, {"fields": {"field_a": "x"}}, "field 'field_a' must be an object, not text of 1"),
        (answers.read_item_change, {"fields": {"field_a": {}}}, "field 'field_a' has no 'value'"),
        (answers.read_item_change, {"fields": {"field_a": {"value": []}}}, "'value' must be text, a number"),
        (answers.read_item_change, {"fields": {"field_a": {"value": 1, "format": 2}}}, "'format' must be text"),
        (answers.read_trees, {"#type": "markup"}, "not a render element 'markup'"),
        (answers.read_trees, [True], "answer 1 must be a render element, .* not a boolean"),
        (answers.read_index_text, "x" * 100_001, "at most 100,000 characters, or null, not text of 100,001"),
        (answers.read_permissions, [{"title": "Fly"}], "permission 1: 'name' must be text .* not null"),
        (answers.read_permissions, [{"name": "fly", "grant": True}], "permission 1 has 'grant'"),
        (answers.read_menu_entries, [{"path": "/a"}], "menu entry 1: 'title' must be text"),
        (answers.read_menu_entries, [{"path": "/a", "title": " "}], "menu entry 1: 'title' must be text"),
        (answers.read_menu_entries, [{"path": "/a", "title": "A", "weight": 1.5}], "'weight' must be a whole number"),
        (answers.read_menu_entries, [{"path": "/a", "title": "A", "function": "a b"}], "'function' must be a name"),
        (answers.read_menu_entries, [{"path": "/a", "title": "A", "lists": "A B"}], "'lists' must be a name"),
        (answers.read_queues, "mail", "must answer a list of queues, each an object"),
        (answers.read_queues, [{"name": "Mail", "label": "M"}], "queue 1: 'name' must be a name .*, not 'Mail'"),
        (answers.read_queues, [{"label": "M"}], "queue 1: 'name' must be text of at most 255 characters, not null"),
        (answers.read_queues, [{"name": "m"}], "queue 1: 'label' must be text of at most 255 characters, not null"),
        (answers.read_queues, [{"name": "m", "label": "M"}] * 2, "queue 2: there is a queue 'm' already"),
        (answers.read_queues, [{"name": "m", "label": "M", "lane": 1}], "queue 1 has 'lane', which means nothing"),
        (answers.read_queues, [{"name": "m", "label": "M", "max_attempts": 0}], "from 1 to 10, not a number"),
        (answers.read_queues, [{"name": "m", "label": "M", "max_attempts": 11}], "from 1 to 10, not a number"),
        (answers.read_queues, [{"name": "m", "label": "M", "max_attempts": True}], "from 1 to 10, not a boolean"),
        (answers.read_queues, [{"name": "m", "label": "M", "timeout_s": 0.5}], "'timeout_s' must be .* from 1 to 60"),
        (answers.read_note, "x" * 256, "a note of at most 255 characters, or null, not text of 256"),
        (answers.read_note, ["done"], "a note of at most 255 characters, or null, not a list"),
        (answers.read_page, None, "the page must be an object, not null"),
        (answers.read_page, {"title": "T", "content": "x"}, "'content' must be a render element"),
    ],
)  # fmt: skip  # one case a line
def test_a_bad_answer_is_refused_with_a_reason(read, answer, reason):
    with pytest.raises(PluginDataError, match=reason):
        read(answer)
