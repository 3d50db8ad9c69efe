"""What plugins do to the forms of a request; nothing where none wants to."""

from collections.abc import Collection

from kernel.form.item_document import check_document
from kernel.form.model import Form, Submission
from kernel.form.taps import alter_form, check_with_plugins
from kernel.jobs import SaveItem
from web.visit import Visit


async def alter(visit: Visit, form: Form) -> Form:
    """The form that is shown, and by which what comes back is read: always the same one."""
    altered = await alter_form(await visit.scope(), form)
    visit.note_failures(altered.failures)
    return altered.form


async def check(visit: Visit, form: Form, submission: Submission) -> Submission:
    """With the complaints of plugins beside those of the form."""
    checked, failures = await check_with_plugins(await visit.scope(), form, submission)
    visit.note_failures(failures)
    return checked


async def check_item_document(
    visit: Visit, form: Form, item: SaveItem, wrong: Collection[str]
) -> dict[str, str]:
    """The complaints about an item that came as a document, beside what was found wrong already."""
    problems, failures = await check_document(await visit.scope(), form, item, wrong)
    visit.note_failures(failures)
    return problems
