"""What plugins do to the forms of a request; nothing where none wants to."""

from kernel.form.model import Form, Submission
from kernel.form.taps import alter_form, check_with_plugins
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
