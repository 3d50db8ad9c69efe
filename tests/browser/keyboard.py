"""Going through a page by keyboard alone, as somebody does who uses no mouse."""

# What somebody hears of an element when it gets the focus.
NAME = """const nameOf = (at) => {
  const name = at.getAttribute("aria-label") || at.labels?.[0]?.innerText || at.innerText
    || at.querySelector("[aria-label]")?.getAttribute("aria-label") || "";
  return name.replace(/\\s+/g, " ").replace(/ \\*$/, "").trim();
};"""
FOCUSED = f"() => {{ {NAME} return nameOf(document.activeElement); }}"
# How many places lie between the focus and what is called like that; a group of radio buttons is one.
DISTANCE = f"""(wanted) => {{ {NAME}
  const places = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  const all = [...document.querySelectorAll(places)].filter(
    (at) => at.checkVisibility() && !at.disabled && at.type !== "hidden"
      && (at.type !== "radio" || at.checked || !document.querySelector(`[name="${{at.name}}"]:checked`)));
  const begin = location.hash === "#content" ? all.findIndex((at) => at.closest("main")) - 1 : -1;
  const from = document.activeElement === document.body ? begin : all.indexOf(document.activeElement);
  const to = all.findIndex((at, place) => place > from && nameOf(at) === wanted);
  return to < 0 ? 1 : to - from;
}}"""
# A page has fewer places to go to.
PLACES_MAX = 120


async def read_focus(page):
    return await page.evaluate(FOCUSED)


async def tab_to(page, name):
    """Presses Tab until what is called like this has the focus."""
    seen = []
    for _ in range(PLACES_MAX):
        # How far it may be: what the browser really does is looked at after that many steps.
        for _ in range(max(1, await page.evaluate(DISTANCE, name))):
            await page.keyboard.press("Tab")
        seen.append(await read_focus(page))
        if seen[-1] == name:
            return
    raise AssertionError(f"the keyboard does not reach {name!r}, but: {list(dict.fromkeys(seen))}")


async def skip_to_content(page):
    """By the link that comes first; the next Tab is in the page itself."""
    await tab_to(page, "Skip to the content")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**#content")


async def press_to_go(page, key="Enter"):
    """A key that leads to another page, which has come when this ends."""
    async with page.expect_navigation():
        await page.keyboard.press(key)


async def press_to_go_by(page, name):
    """To another page by the link or the button of that name."""
    await tab_to(page, name)
    await press_to_go(page)
