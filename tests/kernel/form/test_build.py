"""A form that contradicts itself is refused when it is made."""

import pytest

from kernel.form.build import build_form
from kernel.form.model import Element, Option


def make(*elements, form_id="example", action="/example"):
    return build_form(form_id, action=action, elements=elements, submit="Send")


@pytest.mark.story("9.1", "9.2")
def test_elements_stand_in_order_of_weight_and_equal_ones_as_given():
    inner = Element(
        "fieldset",
        "group",
        "Group",
        weight=-1,
        children=(Element("textfield", "d", "D", weight=2), Element("textfield", "e", "E")),
    )
    form = make(Element("textfield", "a", "A", weight=5), Element("textfield", "b", "B"), inner)
    assert [element.name for element in form.elements] == ["group", "b", "a"]
    assert [element.name for element in form.inputs()] == ["e", "d", "b", "a"]


@pytest.mark.parametrize(
    ("elements", "complaint"),
    [
        pytest.param(
            [Element("textfield", "a", "A"), Element("number", "a", "A")],
            "the name 'a' is used 2 times",
            id="a-name-twice",
        ),
        pytest.param(
            [
                Element("textfield", "a", "A"),
                Element("fieldset", "f", "F", children=(Element("date", "a", "A"),)),
            ],
            "the name 'a' is used 2 times",
            id="a-name-again-in-a-fieldset",
        ),
        pytest.param(
            [
                Element("formatted", "a", "A", options=(Option("plain_text", "Plain"),)),
                Element("textfield", "a__format", "Format"),
            ],
            "the name 'a__format' is used 2 times",
            id="the-name-of-a-format",
        ),
        pytest.param([Element("hidden", "form_token")], "the name 'form_token' is reserved", id="reserved"),
        pytest.param(
            [Element("textfield", "Größe", "Size")], "the name 'Größe' must hold a-z", id="no-machine-name"
        ),
        pytest.param([Element("textfield", "a")], "'a' needs a label", id="no-label"),
        pytest.param([Element("select", "a", "A")], "'a' needs options", id="no-options"),
        pytest.param([Element("formatted", "a", "A")], "'a' needs options", id="no-formats"),
        pytest.param(
            [Element("textfield", "a", "A", children=(Element("date", "b", "B"),))],
            "'a' is no fieldset",
            id="children-of-an-input",
        ),
    ],
)
def test_a_contradiction_is_named(elements, complaint):
    with pytest.raises(ValueError, match=r"^Form 'example': ") as raised:
        make(*elements)
    assert complaint in str(raised.value)


def test_every_mistake_is_named_at_once():
    with pytest.raises(ValueError) as raised:
        make(Element("textfield", "a"), form_id="Not so", action="elsewhere")
    assert str(raised.value) == (
        "Form 'Not so': its id must hold a-z, 0-9 and _ only, 32 characters at most; "
        "its action 'elsewhere' must be a path of this site; 'a' needs a label."
    )


@pytest.mark.parametrize("action", ["https://example.org/", "//example.org/", "javascript:alert(1)", ""])
def test_a_form_is_sent_to_this_site_only(action):
    with pytest.raises(ValueError, match="must be a path of this site"):
        make(action=action)
