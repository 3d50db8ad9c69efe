"""The forms of people tell browsers and password managers what they ask for."""

import pytest

from kernel.form.render import render_form
from kernel.form.user_forms import (
    build_login_form,
    build_login_link_form,
    build_logout_form,
    build_password_form,
)
from kernel.form.validate import read_values


def asked(form):
    return {element.name: element.autocomplete for element in form.inputs()}


def test_the_login_asks_for_name_and_password_and_remembers_where_to_go():
    form = build_login_form(destination="/admin")
    assert asked(form) == {
        "name": "username",
        "password": "current-password",
        "remember": "",
        "destination": "",
    }
    assert read_values(form, {}).problems == {
        "name": "Username is required.",
        "password": "Password is required.",
    }
    sent = {"name": [" ada "], "password": [" p "], "destination": ["/admin"]}
    expected = {"name": "ada", "password": " p ", "remember": False, "destination": "/admin"}
    assert read_values(form, sent).values == expected


@pytest.mark.parametrize(
    ("has_password", "names"),
    [
        pytest.param(True, ["current", "password", "again"], id="has-one"),
        pytest.param(False, ["password", "again"], id="came-by-a-link"),
    ],
)
def test_the_present_password_is_asked_for_where_there_is_one(has_password, names):
    assert list(asked(build_password_form(has_password=has_password))) == names


@pytest.mark.parametrize(
    ("form", "action"),
    [
        pytest.param(build_logout_form(), "/user/logout", id="logout"),
        pytest.param(build_login_link_form("abc"), "/user/login-link/abc", id="login-link"),
    ],
)
def test_a_form_of_one_button_is_sent_with_a_token(renderer, session, form, action):
    html = render_form(renderer, form, session=session)
    assert f'action="{action}" method="post"' in html
    assert html.count("<input") == html.count('type="hidden"') == 2
