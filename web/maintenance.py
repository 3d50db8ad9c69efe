"""Keeps visitors out while somebody works on the site; whoever administers it goes on, and can log in."""

from typing import Final

from quart import request

from kernel.errors import Unavailable
from kernel.form.user_forms import LOGIN_PATH, LOGOUT_PATH
from kernel.maintenance.load import load_maintenance
from kernel.runtime import Runtime
from kernel.setting.access import ADMINISTER_SITE
from web.visit import Visit

PATH: Final = "/admin/maintenance"
# A link that logs in once begins like the login.
ENTRANCES: Final = (LOGIN_PATH, LOGOUT_PATH, "/user/second-factor")


class Closed(Unavailable):
    """The site is closed to visitors for a while."""

    code = "maintenance"


async def check_open(rt: Runtime, visit: Visit) -> None:
    """Raises Closed for whoever is not let in just now."""
    maintenance = await load_maintenance(rt)
    if not maintenance.is_on:
        return
    if visit.actor.may(ADMINISTER_SITE):
        visit.is_closed = True
    elif not request.path.startswith(ENTRANCES):
        raise Closed(maintenance.message)
