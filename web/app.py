"""Puts the web tier together: Quart with its routes and guards, and the page cache before it."""

from typing import Any

from quart import Quart, Response, g, request

from kernel.context import Context
from kernel.ids import uuid7
from kernel.log import get_logger
from kernel.runtime import Runtime
from kernel.shared.session import Sessions
from web.errors import install_error_handlers
from web.page_cache import PageCache, PageMark
from web.routes import gathers, health, item_forms, items, jobs, plugin_pages, stages, user
from web.routes.admin import content, dashboard
from web.visit import cookie_name, open_visit

log = get_logger(__name__)

BLUEPRINTS = (
    health.blueprint,
    items.blueprint,
    item_forms.blueprint,
    gathers.blueprint,
    jobs.blueprint,
    user.blueprint,
    stages.blueprint,
    dashboard.blueprint,
    content.blueprint,
    # Last: it answers whatever path is left.
    plugin_pages.blueprint,
)

# Doors that must answer when Redis or PostgreSQL does not, and know nobody.
WITHOUT_VISIT = ("/health", "/static/")

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: https:; object-src 'none'; base-uri 'none';"
        " form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
YEAR_S = 31_536_000


def create_app(rt: Runtime) -> Quart:
    app = Quart(__name__, static_folder="static", static_url_path="/static")
    app.config["MAX_CONTENT_LENGTH"] = rt.config.max_body_bytes
    app.extensions["trovato"] = rt
    app.url_map.strict_slashes = False
    sessions = Sessions(rt.shared, rt.config.session_ttl_s)

    @app.before_request
    async def begin_visit() -> None:
        g.request_id = str(uuid7())
        if not request.path.startswith(WITHOUT_VISIT):
            g.visit = await open_visit(rt, sessions)

    @app.after_request
    async def finish_answer(response: Response) -> Response:
        _set_headers(rt, response)
        return response

    @app.teardown_request
    async def end_visit(_error: BaseException | None) -> None:
        if "visit" in g:
            await g.visit.release()

    install_error_handlers(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app
