"""What Prometheus reads of all web processes together; closed to everybody else."""

from typing import Final

from quart import Blueprint, Response, current_app, request

from kernel.app.scrape import REFUSAL, Scrape, may_read_metrics
from kernel.errors import Forbidden
from kernel.metrics import CONTENT_TYPE
from kernel.runtime import Runtime
from web.respond import NO_STORE

blueprint = Blueprint("metrics", __name__)

EXTENSION: Final = "trovato.scrape"


@blueprint.get("/metrics")
async def show_metrics() -> Response:
    """Raises Forbidden."""
    rt: Runtime = current_app.extensions["trovato"]
    scrape: Scrape = current_app.extensions[EXTENSION]
    # Of the connection itself: what a header says of the sender's address, anybody can say.
    peer: tuple[str, int] | None = request.scope.get("client")
    headers = ((name.lower(), value) for name, value in request.headers.items())
    if not may_read_metrics(rt.config.metrics, peer[0] if peer else "", headers):
        raise Forbidden(REFUSAL)
    return Response(await scrape.render(), content_type=CONTENT_TYPE, headers=NO_STORE)
