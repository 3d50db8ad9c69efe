"""One set of variables for every page template, as the routes pass them."""

from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

from markupsafe import Markup

from kernel.clock import now
from kernel.context import Actor
from kernel.form.item_form import build_item_delete_form, build_item_form, item_form_values
from kernel.form.render import render_form
from kernel.form.user_forms import (
    build_login_form,
    build_login_link_form,
    build_logout_form,
    build_password_form,
)
from kernel.gather.model import FRONT, RECENT_PAGES, GatherPage
from kernel.item.model import Item
from kernel.item_type.model import FieldDefinition, ItemType
from kernel.render.tree import render_tree
from kernel.shared.session import Session
from kernel.stage.model import LIVE_STAGE, Stage
from tests.kernel.render.entry_samples import make_entry_pages
from tests.kernel.render.mail_samples import make_mail_pages
from tests.kernel.render.people_samples import make_people_pages
from tests.kernel.render.plugin_samples import make_plugin_pages
from tests.kernel.render.watch_samples import make_watch_pages
from web.bulk import ACTIONS, Choice, build_confirm_form
from web.content_filter import ContentFilter
from web.routes.admin.style import COLOURS, ICONS, PROBLEMS, Pages, build_example_form
from web.transfer_forms import build_export_form, build_import_form
from web.why import Reason, Why

EDITOR = Actor(UUID(int=7), "Marta Ferri", is_admin=True)
STRANGER = Actor()
SPRING = Stage("spring", "Spring campaign")
SESSION = Session(id="id", key="key", user_id=None, active_stage="live", secret="a secret", created=now())
BLOG = ItemType(
    "blog",
    "Blog post",
    "News and stories with a date, newest first.",
    "blog",
    (
        FieldDefinition("field_subtitle", "Subtitle", "text", help="One line under the title."),
        FieldDefinition("field_body", "Body", "text_long", required=True),
        FieldDefinition("field_event_day", "Day of the event", "date"),
        FieldDefinition("field_seats", "Seats", "integer", help="Leave empty when there is no limit."),
        FieldDefinition("field_comments", "Comments are open", "boolean"),
    ),
)
BODY = """The bakery on Via Roma opens at six, and by half past the first tray of schiacciata is gone.

We asked Luca why he never bakes more. <em>Then it would be yesterday's bread tomorrow</em>, he said, and went on
folding the dough. See https://example.org/bread for his recipe.

<h2>What the oven taught him</h2>

<blockquote>Heat forgives nothing, but it explains everything.</blockquote>

<ul>
<li>Weigh the water, never pour it.</li>
<li>Let the dough rest longer than your patience.</li>
<li>Open the door <strong>once</strong>, and only once.</li>
</ul>

He keeps the old thermometer, marked <code>240 °C</code>, on a nail beside the door."""
SUMMARY = "Luca has baked on Via Roma for thirty years, and he still runs out of bread by half past six."
TITLES = (
    "The baker who never bakes enough",
    "Opening hours over the holidays",
    "Seven walks that begin at the station",
    "A new roof for the library, and who paid for it",
    "House style",
    "What we learned from a year without a homepage banner",
)


def make_item(number: int) -> Item:
    when = now() - timedelta(hours=5 * number * number + 1)
    return Item(
        id=UUID(int=number + 1),
        type="blog",
        title=TITLES[number % len(TITLES)],
        author_id=EDITOR.id,
        status=0 if number == 2 else 1,
        promote=True,
        sticky=False,
        created=when,
        changed=when,
        fields={
            "field_subtitle": {"value": "Bread, patience and a very old oven"},
            "field_body": {"value": BODY, "format": "filtered_html"},
        },
        revision_id=UUID(int=900 + number),
        author_name=EDITOR.name,
    )


ITEMS = tuple(make_item(number) for number in range(6))
VIEW = {
    "#type": "container",
    "byline": {
        "#type": "container",
        "#attributes": {"class": ["byline"]},
        "day": {"#type": "markup", "#tag": "time", "#value": "20 November 2026"},
        "minutes": {"#type": "markup", "#value": "2 min read"},
        "featured": {
            "#type": "markup",
            "#value": "Featured",
            "#attributes": {"class": ["chip", "chip--info"]},
        },
    },
    "summary": {"#type": "markup", "#tag": "p", "#value": SUMMARY, "#attributes": {"class": ["lead"]}},
    "body": {"#type": "markup", "#value": BODY, "#format": "filtered_html"},
}
CONTENT = [render_tree(VIEW).html]
ROWS = [{"item": item, "item_type": BLOG, "content": CONTENT} for item in ITEMS]
QUICK_ADD = [
    ("Blog post", "/item/add/blog", BLOG.description),
    ("Page", "/item/add/page", "A page that stands on its own, such as “About us”."),
]
TABLE = [{"item": item, "type_label": BLOG.label, "may_edit": True, "may_delete": True} for item in ITEMS]
NO_FILTERS = {"type": "", "status": "", "text": ""}
TYPES = [("blog", "Blog post"), ("page", "Page")]
JOB = {
    "id": str(UUID(int=42)),
    "kind": "save_item",
    "title": "Saving",
    "status": "running",
    "is_finished": False,
    "succeeded": False,
    "attempts": 1,
    "failures": 0,
    "done": 3,
    "total": 8,
    "note": "Asking the plugins",
    "refused": 0,
    "path": "",
    "message": "",
    "problems": [],
    "error": "",
    "created": ITEMS[0].created,
    "started": ITEMS[0].created,
    "finished": None,
    "run_at": ITEMS[0].created,
    "seconds": None,
    "is_cancelling": False,
    "may_cancel": True,
    "may_retry": False,
}


def common(title, *, actor=EDITOR, stage=LIVE_STAGE, path="/", messages=(), breadcrumbs=()):
    """What web.respond gives to every page."""
    known = not actor.is_anonymous
    return {
        "site": {"name": "Gazzetta di Lucca", "url": "http://localhost:3000"},
        "page": {
            "title": title,
            "description": "",
            "breadcrumbs": list(breadcrumbs),
            "menu": [
                ("Home", "/", path == "/"),
                ("Blog", "/blog", False),
                ("Recent pages", "/recent-pages", False),
            ],
            "messages": list(messages),
            "path": path,
            "is_closed": False,
        },
        "actor": actor,
        "why": None,
        "request_id": "019370f2-7c1e-7000-8000-0000000000ab",
        "stage": stage,
        "stages": (LIVE_STAGE, SPRING, Stage("rebrand", "Rebrand 2027")) if known else (),
        "quick_add": QUICK_ADD if known else (),
        "work": {"unfinished": 2, "failed": 1} if known else {"unfinished": 0, "failed": 0},
        "csrf": lambda form_id: Markup('<input type="hidden" name="form_token" value="{}">').format(form_id),
    }


WHY = Why(
    "The page as a whole is not kept, since an answer on it is not.",
    (
        Reason(
            "blog",
            "item_view",
            "From before",
            "chip--good",
            (ITEMS[0].path,),
            0,
            ("It depends on items: 1.",),
        ),
        Reason(
            "reading_time",
            "item_view",
            "Made and kept",
            "chip--info",
            tuple(item.path for item in ITEMS),
            20,
            (
                "It depends on the permission “edit any blog content”, which the user has.",
                "It depends on the time, and is made again after 60 s.",
            ),
        ),
        Reason(
            "polls",
            "page",
            "Made for once",
            "chip--warn",
            (),
            0,
            ("It is not kept: it was made with random numbers.",),
        ),
    ),
)
PAGER = SimpleNamespace(
    number=2, last_number=1001, previous_number=1, next_number=3, total=10_001, is_capped=True
)
NO_PAGER = SimpleNamespace(
    number=1, last_number=1, previous_number=None, next_number=None, total=0, is_capped=False
)
LINES = [{"item": item, "type_label": BLOG.label} for item in ITEMS]
DASHBOARD = {
    "alarm": "Cron last came to an end 23 minutes ago.",
    "figures": [
        ("Published", 312, "/admin/content?status=1"),
        ("Drafts", 4, "/admin/content?status=0"),
        ("People", 12, ""),
    ],
    "recent": LINES,
    "drafts": LINES[2:3],
    "jobs": [
        {
            "title": "Saving",
            "status": status,
            "page": "/job/1",
            "created": ITEMS[0].created,
            "is_finished": status in ("done", "dead"),
            "note": "House style",
        }
        for status in ("done", "running", "failed")
    ],
    "plugins": [
        {"name": "blog", "version": "0.1.0", "description": "Blog posts and their listing", "problem": ""},
        {
            "name": "reading_time",
            "version": "1.2.0",
            "description": "",
            "problem": "tap_item_view used up its 100 ms.",
        },
    ],
}


def make_pages(renderer):
    """Name, template and variables of every page in each state that looks different."""
    yield from make_site_pages()
    yield from make_admin_pages()
    yield from make_cron_pages()
    yield from make_plugin_pages(common)
    yield from make_watch_pages(common)
    yield from make_form_pages(renderer)
    yield from make_people_pages(renderer, SESSION, common)
    yield from make_entry_pages(renderer, SESSION, common)
    yield from make_mail_pages(renderer, SESSION, common)
    yield from make_job_pages()
    yield from make_batch_pages()
    yield from make_error_pages()


def make_listing(gather, number, rows=ROWS):
    pager = GatherPage(gather, ITEMS, number, 312 if rows else 0)
    return {"gather": gather, "rows": rows, "pager": pager, "failures": []}


def make_site_pages():
    item = ITEMS[0]
    tasks = [
        ("View", item.path, True),
        ("Edit", f"{item.path}/edit", False),
        ("Delete", f"{item.path}/delete", False),
    ]
    article = {"item": item, "item_type": BLOG, "content": CONTENT}
    saved = [
        ("success", "“House style” was saved."),
        ("warning", "The plugin reading_time could not take part."),
    ]
    crumbs = [("Home", "/"), ("Blog", "/blog")]
    front, pages = (
        common("Latest", actor=STRANGER),
        common("Recent pages", actor=STRANGER, path="/recent-pages"),
    )
    read = common(item.title, actor=STRANGER, path=item.path)
    edited = common(item.title, path=item.path, messages=saved, breadcrumbs=crumbs, stage=SPRING)
    failures = ["Plugin 'reading_time', tap_item_view: used up its 100 ms."]
    yield "front", "front.html", {**front, **make_listing(FRONT, 1)}
    yield "front_empty", "front.html", {**common("Latest"), **make_listing(FRONT, 1, rows=())}
    yield "list", "gather/list.html", {**pages, **make_listing(RECENT_PAGES, 5)}
    yield "list_empty", "gather/list.html", {**pages, **make_listing(RECENT_PAGES, 1, rows=())}
    blog = {**common("Blog", actor=STRANGER, path="/blog"), **make_listing(RECENT_PAGES, 1)}
    tasks = [("View", "/blog", True), ("Log", "/blog/log", False)]
    yield "plugin_page", "plugin_page.html", {**blog, "content": CONTENT[0], "tasks": tasks}
    yield "plugin_page_bare", "plugin_page.html", {**blog, "gather": None, "content": None, "tasks": []}
    yield "item", "item.html", {**read, **article, "tasks": [], "failures": []}
    yield "item_editor", "item.html", {**edited, **article, "tasks": tasks, "failures": failures}
    yield "item_why", "item.html", {**edited, **article, "tasks": tasks, "failures": [], "why": WHY}


def make_admin_pages():
    home, empty_home = common("Dashboard", path="/admin"), common("Dashboard", path="/admin", stage=SPRING)
    table = {**common("Content", path="/admin/content"), "types": TYPES, "filters": NO_FILTERS, "rows": TABLE}
    table |= {"sort": "changed", "may_choose": True, "build_id": "a-build-id"}
    nothing = {**table, "rows": [], "pager": NO_PAGER}
    add = common("Add content", path="/item/add")
    yield "dashboard", "admin/dashboard.html", {**home, **DASHBOARD}
    yield "dashboard_empty", "admin/dashboard.html", {**empty_home, **dict.fromkeys(DASHBOARD, ())}
    yield "content", "admin/content.html", {**table, "pager": PAGER}
    tool = {
        "name": "import_items",
        "icon": "upload",
        "label": "Import content",
        "text": "Adds items from a file with one on each line.",
        "button": "Choose a file",
        "path": "/admin/tools/import",
        "last": {"at": ITEMS[1].created.isoformat(), "done": 1_996, "refused": 4},
        "is_running": False,
        "batch": "",
    }
    index = {**tool, "name": "reindex", "icon": "search", "label": "Rebuild the search index", "path": ""}
    tools = [
        tool,
        {**tool, "name": "export_items", "icon": "download", "is_running": True, "batch": "/batch/1"},
        {**index, "last": None},
        {**index, "name": "refresh_pages", "icon": "again", "is_running": True},
    ]
    yield (
        "tools",
        "admin/tools.html",
        {**common("Tools", path="/admin/tools"), "tools": tools, "build_id": "a-build-id"},
    )
    yield "content_read_only", "admin/content.html", {**table, "pager": NO_PAGER, "may_choose": False}
    yield "content_no_match", "admin/content.html", {**nothing, "filters": {**NO_FILTERS, "text": "x"}}
    yield "content_empty", "admin/content.html", nothing
    yield "item_add_choose", "item_add_choose.html", {**add, "types": QUICK_ADD}
    yield "item_add_none", "item_add_choose.html", {**add, "types": []}


def make_cron_pages():
    began = now() - timedelta(hours=2)
    run = {
        "status": "done",
        "slot": began,
        "started": began,
        "seconds": 1.4,
        "missed": 2,
        "attempt": 1,
        "text": "1,204 removed",
        "is_by_hand": False,
    }
    failed = {**run, "status": "failed", "seconds": 0.0, "attempt": 3, "text": "Plugin 'blog' failed."}
    row = {
        "name": "prune_jobs",
        "label": "Remove old finished jobs",
        "schedule": "hourly at :10",
        "policy": "What was missed is made good by one run.",
        "next": began,
        "next_in": "in 12 minutes",
        "run": run,
        "last_done": began,
    }
    idle = {**run, "status": "idle", "missed": 0, "text": ""}
    rows = [
        row,
        {**row, "name": "tap_cron:blog", "run": failed},
        {**row, "name": "tap_cron:page", "run": idle},
        {**row, "name": "new", "run": None, "last_done": None},
    ]
    page = {**common("Cron", path="/admin/cron"), "rows": rows}
    late = {"last_run": None, "alarm": DASHBOARD["alarm"], "address": "", "is_key_configured": False}
    fine = {
        "last_run": began,
        "alarm": "",
        "address": "https://example.org/cron/key",
        "is_key_configured": True,
    }
    yield "cron", "admin/cron.html", {**page, **fine}
    yield "cron_own_key", "admin/cron.html", {**page, **fine, "is_key_configured": False, "last_run": None}
    yield "cron_late", "admin/cron.html", {**page, **late}
    history = {
        **common(
            "Remove old finished jobs", path="/admin/cron/prune_jobs", breadcrumbs=[("Cron", "/admin/cron")]
        ),
        "name": "prune_jobs",
        "schedule": "hourly at :10",
        "runs": [run, failed, {**run, "status": "running", "seconds": None, "text": "", "is_by_hand": True}],
        "is_capped": True,
    }
    yield "cron_task", "admin/cron_task.html", history
    yield (
        "cron_task_gone",
        "admin/cron_task.html",
        {**history, "schedule": "", "runs": [], "is_capped": False},
    )


def make_form_pages(renderer):
    def form(built, **given):
        return {"form": render_form(renderer, built, session=SESSION, **given)}

    item = ITEMS[0]
    edit_form, values = build_item_form(BLOG, item, EDITOR), item_form_values(item)
    wrong = {"title": "A title is needed.", "field_seats": "This must be a whole number."}
    crumbs = [("Home", "/"), ("Add content", "/item/add")]
    add = {**common("Add Blog post", path="/item/add/blog", breadcrumbs=crumbs), "item": None}
    edit = {**common(f"Edit {item.title}", path=f"{item.path}/edit"), "item": item}
    delete = {**common(f"Delete {item.title}?"), "item": item}
    enter = common("Log in", actor=STRANGER)
    refused = {"": "Name or password is wrong."}
    yield "item_add", "admin/item_form.html", {**add, **form(build_item_form(BLOG, None, EDITOR))}
    yield "item_edit", "admin/item_form.html", {**edit, **form(edit_form, values=values)}
    yield (
        "item_edit_wrong",
        "admin/item_form.html",
        {**edit, **form(edit_form, values=values, problems=wrong)},
    )
    chosen = Choice(ACTIONS["delete"], {item.id: item.revision_id}, ContentFilter(), is_everything=False)
    everything = Choice(ACTIONS["publish"], {}, ContentFilter(type="blog", text="bread"), is_everything=True)
    for name, choice, titles in (("listed", chosen, TITLES), ("everything", everything, ())):
        confirm = build_confirm_form(choice, 1_312, "/admin/content")
        given = {"titles": titles, "more": 1_306, "type_label": "Blog post" if choice.filter.type else ""}
        given["filters"] = choice.filter.as_query() if choice.is_everything else {}
        page = {**common(confirm.title, path="/admin/content/bulk"), **given, **form(confirm)}
        yield f"content_confirm_{name}", "admin/content_confirm.html", page
    labels = dict(TYPES)
    moving = {**common("Import content", path="/admin/tools/import", breadcrumbs=[("Tools", "/admin/tools")])}
    import_form = build_import_form(labels, 100_000_000)
    broken = {"file": "This file is compressed. Unpack it first."}
    yield "import", "admin/import.html", {**moving, "is_live": True, **form(import_form)}
    yield (
        "import_wrong",
        "admin/import.html",
        {**moving, "is_live": False, **form(import_form, problems=broken)},
    )
    example = {**common("Style"), "colours": COLOURS, "icons": ICONS, "pages": Pages(), "confirm": ""}
    example |= form(build_example_form(), problems=PROBLEMS)
    yield "style", "admin/style.html", example
    yield "style_confirm", "admin/style_confirm.html", {**example, "confirm": example["form"]}
    yield "export", "admin/export.html", {**moving, "is_live": True, **form(build_export_form(labels))}
    yield "item_delete", "item_delete.html", {**delete, **form(build_item_delete_form(item))}
    enter |= {"may_register": False}
    yield "login", "user/login.html", {**enter, "may_register": True, **form(build_login_form())}
    yield "login_wrong", "user/login.html", {**enter, **form(build_login_form(), problems=refused)}
    yield "login_link", "user/login_link.html", {**enter, **form(build_login_link_form("t"))}
    yield "logout", "user/logout.html", {**common("Log out"), **form(build_logout_form())}
    change = common("Change your password")
    yield "password", "user/password.html", {**change, **form(build_password_form(has_password=True))}


def make_job_pages():
    ended = {**JOB, "is_finished": True, "finished": ITEMS[0].created, "seconds": 85.2, "may_cancel": False}
    done = {**ended, "status": "done", "succeeded": True, "path": ITEMS[0].path, "message": "Saved."}
    failed = {**ended, "status": "dead", "error": "The plugin blog did not answer.", "may_retry": True}
    waiting = {**JOB, "status": "queued", "total": 0, "note": "", "failures": 1, "error": "No answer."}
    saving = {**common("Saving"), "payload": "", "request_of": "019370f2-7c1e-7000-8000-0000000000ab"}
    yield "job_running", "job.html", {**saving, **common("Saving", actor=STRANGER), "job": JOB}
    yield "job_waiting", "job.html", {**saving, "job": waiting}
    yield "job_done", "job.html", {**saving, "job": done}
    yield "job_failed", "job.html", {**saving, "job": failed, "payload": '{"title": "<House style>"}'}
    yield "job_cancelled", "job.html", {**saving, "job": {**ended, "status": "cancelled"}}

    rows = [
        {**job, "id": str(UUID(int=50 + number)), "actor": EDITOR.name if number else "", "page": "/job/1"}
        for number, job in enumerate((JOB, waiting, done, failed, {**JOB, "is_cancelling": True}))
    ]
    listed = {
        **common("Jobs", path="/admin/jobs"),
        "path": "/admin/jobs",
        "here": {"status": "attention", "kind": "", "actor": "", "since": "", "before": rows[0]["id"]},
        "filters": {"status": "attention", "kind": "", "actor": "", "since": ""},
        "is_everybody": True,
        "retryable": [rows[3]["id"]],
        "is_filtered": True,
        "is_first": False,
        "next_before": rows[4]["id"],
        "is_cut": False,
        "tabs": [("All", "", "", False), ("Needs attention", "attention", "1,000+", True)],
        "statuses": [("", "All"), ("attention", "Needs attention")],
        "kinds": [("save_item", "Saving")],
        "rows": rows,
    }
    nothing = {**listed, "rows": [], "retryable": [], "next_before": ""}
    unfiltered = {**nothing, "filters": dict.fromkeys(listed["filters"], ""), "is_filtered": False}
    mine = {**unfiltered, **common("My jobs", actor=STRANGER), "is_everybody": False, "is_first": True}
    yield "jobs", "jobs.html", listed
    yield "jobs_no_match", "jobs.html", nothing
    yield "jobs_not_yet", "jobs.html", {**nothing, "is_cut": True, "next_before": rows[4]["id"]}
    yield "jobs_end", "jobs.html", unfiltered
    yield "jobs_empty", "jobs.html", mine


def make_batch_pages():
    running = {
        **JOB,
        "kind": "run_batch",
        "title": "Import items",
        "operation": "import_items",
        "note": "Importing",
        "done": 1_240,
        "total": 2_000,
        "percent": 62,
        "refused": 4,
        "good": 1_236,
        "may_retry_refused": False,
    }
    over = {
        **running,
        "is_finished": True,
        "finished": ITEMS[0].created,
        "seconds": 8.4,
        "may_cancel": False,
        "message": "1,996 items were imported. 4 were refused.",
    }
    done = {**over, "status": "done", "succeeded": True, "may_retry_refused": True}
    line = {"number": 17, "is_line": True, "title": "", "path": "", "content": '{"title": "<b>"}'}
    item = {**line, "is_line": False, "title": ITEMS[0].title, "path": ITEMS[0].path, "content": ""}
    problems = [
        {**line, "message": "There is no item type 'blig'. This site has: blog, page."},
        {**item, "number": 21, "message": "Somebody changed this item since you chose it."},
        {**item, "number": 22, "title": "", "path": "", "message": "This item was deleted meanwhile."},
    ]
    page = {
        **common("Import items", path="/batch/1"),
        "batch": running,
        "is_open": True,
        "subject": "A file of 2,000 lines",
        "earlier": "",
        "retried_at": "",
        "problems": [],
        "after": 0,
        "next_after": 0,
        "has_output": False,
        "output_size": "",
        "request_of": "019370f2-7c1e-7000-8000-0000000000ab",
    }
    full = {**page, "problems": problems, "next_after": 22}
    yield "batch_running", "batch.html", full | {"earlier": str(UUID(int=43))}
    yield "batch_done", "batch.html", {**full, "batch": done}
    yield "batch_more", "batch.html", {**full, "batch": done, "after": 22, "retried_at": "/batch/2"}
    yield "batch_past_the_end", "batch.html", {**page, "batch": done, "after": 22}
    yield "batch_cancelled", "batch.html", {**page, "batch": {**over, "status": "cancelled"}}
    dead = {**over, "status": "dead", "error": "No answer.", "may_retry": True}
    yield "batch_dead", "batch.html", {**page, "batch": dead}
    wrong = {**over, "status": "done", "problems": ["You may not do this any more: Import items."]}
    yield "batch_refused", "batch.html", {**page, "batch": wrong}
    download = {"has_output": True, "output_size": "12.4 MB", "batch": {**done, "operation": "export_items"}}
    yield "batch_export", "batch.html", {**page, **download}


def make_error_pages():
    asked = {"login_path": "/user/login?destination=/nowhere%3Fpage%3D2", "is_closed": False}
    lost = {
        **common("Page not found", actor=STRANGER, path="/nowhere"),
        **asked,
        "message": "There is nothing at this address.",
    }
    for code in (400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503, 418):
        problems = ["A title is needed."] if code == 422 else []
        yield f"error_{code}", "error.html", {**lost, "code": code, "problems": problems}
    yield "error_closed", "error.html", {**lost, "code": 503, "problems": [], "is_closed": True}
    yield (
        "error_404_editor",
        "error.html",
        {**common("Page not found"), **asked, "code": 404, "message": "Gone.", "problems": []},
    )
