"""Puts the web tier together: Quart with its routes and guards, and the page cache before it."""

from dataclasses import replace
from typing import Final

from quart import Quart, Response, g, request

from kernel.app.scrape import Scrape
from kernel.errors import LoginRequired
from kernel.profile import begin_profile, find_profile
from kernel.runtime import Runtime
from kernel.shared.rate_limit import RateLimits
from kernel.shared.session import Sessions
from web.body import bound_bodies
from web.client_address import read_client_address
from web.cookies import write_cookies
from web.errors import install_error_handlers
from web.limits import add_limit_headers, check_limits, note_bad_token
from web.live import EXTENSION, LiveStreams
from web.maintenance import check_open
from web.page_cache import MARK, PageCache, PageMark
from web.respond import NO_STORE, PageResponse
from web.routes import (
    batch,
    cron,
    gathers,
    health,
    item_forms,
    items,
    jobs,
    metrics,
    plugin_pages,
    stages,
    user,
)
from web.routes.account import account, register, reset, second_factor, sessions, tokens
from web.routes.account import mail as account_mail
from web.routes.admin import access_reasons, content, dashboard, person_tokens, tools, transfer
from web.routes.admin import audit as admin_audit
from web.routes.admin import cron as admin_cron
from web.routes.admin import jobs as admin_jobs
from web.routes.admin import limits as admin_limits
from web.routes.admin import mail as admin_mail
from web.routes.admin import maintenance as admin_maintenance
from web.routes.admin import people as admin_people
from web.routes.admin import permissions as admin_permissions
from web.routes.admin import person as admin_person
from web.routes.admin import plugins as admin_plugins
from web.routes.admin import registration as admin_registration
from web.routes.admin import roles as admin_roles
from web.routes.admin import style as admin_style
from web.transfer_forms import IMPORT_PATH
from web.visit import begin_visit, cookie_name, open_visit

BLUEPRINTS: Final = (
    health.blueprint,
    metrics.blueprint,
    cron.blueprint,
    items.blueprint,
    item_forms.blueprint,
    gathers.blueprint,
    jobs.blueprint,
    batch.blueprint,
    admin_jobs.blueprint,
    admin_cron.blueprint,
    user.blueprint,
    sessions.blueprint,
    second_factor.blueprint,
    reset.blueprint,
    register.blueprint,
    account_mail.blueprint,
    stages.blueprint,
    dashboard.blueprint,
    content.blueprint,
    tools.blueprint,
    transfer.blueprint,
    admin_plugins.blueprint,
    admin_limits.blueprint,
    admin_maintenance.blueprint,
    admin_audit.blueprint,
    admin_mail.blueprint,
    admin_registration.blueprint,
    admin_people.blueprint,
    admin_roles.blueprint,
    admin_permissions.blueprint,
    admin_person.blueprint,
    person_tokens.blueprint,
    access_reasons.blueprint,
    account.blueprint,
    tokens.blueprint,
    admin_style.blueprint,
    # Last: it answers whatever path is left.
    plugin_pages.blueprint,
)

# Doors that know nobody: they answer when Redis or PostgreSQL does not, or to programs with a key. What merely begins
# like one of them is a page that does not exist, so that the route counts and not the address.
WITHOUT_VISIT: Final = frozenset(("cron", "health", "metrics"))

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; object-src 'none';"
        " base-uri 'none'; form-action 'self'; frame-src 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # What `frame-ancestors` says, for browsers that do not know it.
    "X-Frame-Options": "DENY",
}
# Where a form has a file in it.
UPLOAD_PATHS: Final = frozenset((IMPORT_PATH, admin_plugins.UPLOAD_PATH))
YEAR_S: Final = 31_536_000
# Below these is what only whoever is logged in may see, or may do.
PRIVATE: Final = ("/admin/", "/user/", "/job/", "/jobs/", "/batch/")


def create_app(rt: Runtime, live: LiveStreams | None = None) -> Quart:
    """`live` is given by who has to end the streams: a server that stops."""
    app = Quart(__name__, static_folder="static", static_url_path="/static")
    bound_bodies(
        app,
        body_bytes=rt.config.max_body_bytes,
        upload_bytes=rt.config.max_upload_bytes,
        upload_paths=UPLOAD_PATHS,
    )
    app.extensions["trovato"] = rt
    app.extensions[metrics.EXTENSION] = Scrape(rt)
    app.extensions[EXTENSION] = live or LiveStreams()
    app.url_map.strict_slashes = False
    sessions = Sessions(rt.shared, rt.config.session_ttl_s)
    rates = RateLimits(rt.shared)

    @app.before_request
    async def begin_visit() -> None:
        g.request_id = request.headers.get("X-Request-ID", "")
        # Begun by the page cache, which writes it into the log when the answer has gone.
        g.profile = find_profile() or begin_profile()
        if request.blueprint not in WITHOUT_VISIT and request.endpoint != "static":
            await _let_in(rt, sessions, rates)

    @app.after_request
    async def finish_answer(response: Response) -> Response:
        _set_headers(rt, response)
        add_limit_headers(response)
        if "visit" in g:
            write_cookies(rt.config, g.visit, response)
        if "visit" in g and g.visit.actor.is_admin:
            response.headers["Server-Timing"] = g.profile.as_server_timing()
        mark = request.scope.get(MARK)
        if isinstance(mark, PageMark):
            mark.route = g.get("route") or (request.url_rule.rule if request.url_rule is not None else "none")
            if isinstance(response, PageResponse) and response.tags is not None:
                longest_s = rt.config.cache_ttl_s
                ttl_s = longest_s if response.ttl_s is None else min(longest_s, response.ttl_s)
                mark.offer(response.tags, ttl_s)
        return response

    @app.teardown_request
    async def end_visit(_error: BaseException | None) -> None:
        if "visit" in g:
            await g.visit.release()

    install_error_handlers(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def create_asgi(rt: Runtime, live: LiveStreams | None = None) -> PageCache:
    """What the server is given: strangers' pages are answered before Quart is asked."""
    return PageCache(
        create_app(rt, live),  # type: ignore[arg-type]  # Quart's own ASGI types
        rt.cache,
        rt.config,
        cookie_name(rt.config),
        read_epoch=lambda: rt.plugins.epoch,
    )


async def _let_in(rt: Runtime, sessions: Sessions, rates: RateLimits) -> None:
    """Who asks is known first, since that says whose limits are used."""
    g.visit = begin_visit(rt, sessions, g.request_id)
    try:
        visit = await open_visit(rt, sessions, g.request_id)
    except LoginRequired:
        await note_bad_token(rt, rates)
        raise
    visit.ctx = replace(visit.ctx, client_address=read_client_address(rt.config, request))
    g.visit = visit
    await check_open(rt, visit)
    await check_limits(rt, rates, visit)


def _set_headers(rt: Runtime, response: Response) -> None:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if rt.config.secure_cookies:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={YEAR_S}")
    if request.path.startswith("/static/") and "v" in request.args and response.status_code == 200:
        # The address holds a hash of the content, so it never changes.
        response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    if f"{request.path}/".startswith(PRIVATE):
        response.headers.setdefault("Cache-Control", NO_STORE["Cache-Control"])
