"""The pages around links in mails: a form, or a few sentences and where to go on."""

from collections.abc import Mapping
from typing import Any, Final

from quart import Response

from kernel.form.model import Form
from kernel.form.render import render_form
from web.respond import NO_STORE, show_page
from web.visit import Visit

CHECK_PATH: Final = "/user/check-mail"


async def show_form(
    visit: Visit,
    form: Form,
    *,
    lead: str = "",
    values: Mapping[str, Any] | None = None,
    problems: Mapping[str, str] | None = None,
    status: int = 200,
    under: tuple[str, str] = ("Back to the login", "/user/login"),
) -> Response:
    """`under` is a link below the form."""
    html = render_form(
        visit.rt.renderer,
        form,
        session=await visit.need_session(),
        values=values or {},
        problems=problems or {},
    )
    return _keep_secret(
        await show_page(
            "user/proof.html", title=form.title, status=status, lead=lead, form=html, texts=(), go_on=under
        )
    )


async def tell(title: str, *texts: str, go_on: tuple[str, str], status: int = 200) -> Response:
    """`go_on` is the label and the path of a link."""
    return _keep_secret(
        await show_page(
            "user/proof.html", title=title, status=status, lead="", form="", texts=texts, go_on=go_on
        )
    )


def _keep_secret(response: Response) -> Response:
    """The address of such a page may be a secret: it is told to nobody, and the page is not kept."""
    response.headers.update(NO_STORE)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
