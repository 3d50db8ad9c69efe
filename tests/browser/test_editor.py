"""A person in a real browser: logs in, writes a blog post, and another visitor reads it."""

import pytest

pytestmark = pytest.mark.browser


async def check_problem_stands_out(editor, problem):
    """It is said in words, in red, by an icon, and the field has the focus where it can be seen."""
    minutes = editor.get_by_label("Reading time")
    assert await problem.all_inner_texts() == ["Reading time in minutes must be a whole number, such as 42."]
    assert await minutes.evaluate("input => input === document.activeElement")
    assert await minutes.evaluate(
        "input => { const box = input.getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight; }"
    )
    border, bad = [
        await editor.evaluate(f"() => getComputedStyle(document.querySelector('{part}')).{style}")
        for part, style in (("[aria-invalid=true]", "borderColor"), (".form-problem", "color"))
    ]
    assert border == bad
    # And an icon before the sentence: who does not see the red sees that.
    icon = await problem.first.evaluate(
        "part => { const icon = getComputedStyle(part, '::before');"
        " return [icon.content, icon.backgroundColor, icon.display !== 'none' && parseFloat(icon.width) >= 16]; }"
    )
    assert icon == ['"!"', bad, True]


@pytest.mark.story("2.3")
@pytest.mark.story("3.17")
@pytest.mark.story("4.4")
@pytest.mark.story("4.5")
@pytest.mark.story("10.6")
@pytest.mark.story("9.9")
async def test_a_person_writes_a_post_and_a_visitor_reads_it(run_site, browser, person):
    async with run_site() as site:
        base = f"http://127.0.0.1:{site.port}"
        editor = await (await browser.new_context()).new_page()
        complaints = []
        editor.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        editor.on("pageerror", lambda error: complaints.append(str(error)))

        await editor.goto(f"{base}/item/add/blog")
        await editor.get_by_label("Username").fill("Ada")
        await editor.get_by_label("Password").fill("correct horse battery")
        await editor.get_by_role("button", name="Log in").click()
        await editor.wait_for_url("**/item/add/blog")

        # A mistake first: it is named beside its field, and nothing typed is lost.
        await editor.get_by_label("Title").fill("A post with five fields")
        await editor.get_by_label("Summary").fill("In one sentence.")
        await editor.locator("textarea").fill(
            "<p>The <strong>body</strong>.</p><script>document.title='no'</script>"
        )
        await editor.get_by_label("Reading time").fill("many")
        await editor.get_by_role("button", name="Save").click()
        problem = editor.locator(".form-item--invalid .form-problem")
        await problem.first.wait_for()
        await check_problem_stands_out(editor, problem)
        assert await editor.get_by_label("Summary").input_value() == "In one sentence."

        await editor.get_by_label("Published on").fill("2026-03-31")
        await editor.get_by_label("Reading time").fill("12")
        await editor.get_by_label("Featured").check()
        await editor.get_by_role("button", name="Save").click()
        await editor.wait_for_url("**/item/*-*")
        assert await editor.get_by_text("was saved").is_visible()

        visitor = await (await browser.new_context()).new_page()
        await visitor.goto(editor.url)
        assert await visitor.title() != "no"
        article = visitor.locator("article")
        assert await article.get_by_role("heading", name="A post with five fields").is_visible()
        for text in ("In one sentence.", "31 March 2026", "12 min read", "Featured"):
            assert await article.get_by_text(text).first.is_visible(), text
        assert await article.locator("strong", has_text="body").is_visible()
        assert await visitor.get_by_role("link", name="Edit").count() == 0
        await visitor.goto(f"{base}/blog")
        assert await visitor.get_by_role("link", name="A post with five fields").is_visible()
        assert [text for text in complaints if "422" not in text] == []
