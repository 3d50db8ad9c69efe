"""The table of what a batch can do."""

from typing import Final

from kernel.batch.delete_items import DELETE_ITEMS
from kernel.batch.delete_person import DELETE_PERSON
from kernel.batch.export_items import EXPORT_ITEMS
from kernel.batch.import_items import IMPORT_ITEMS
from kernel.batch.operation import Operation
from kernel.batch.publish_items import PUBLISH_ITEMS, UNPUBLISH_ITEMS
from kernel.batch.refresh_pages import REFRESH_PAGES
from kernel.batch.reindex import REINDEX

OPERATIONS: Final = {
    operation.name: operation
    for operation in (
        IMPORT_ITEMS,
        EXPORT_ITEMS,
        PUBLISH_ITEMS,
        UNPUBLISH_ITEMS,
        DELETE_ITEMS,
        DELETE_PERSON,
        REINDEX,
        REFRESH_PAGES,
    )
}


def find_operation(name: str) -> Operation | None:
    return OPERATIONS.get(name)


def get_operation(name: str) -> Operation:
    """Raises LookupError, also in a worker of an older release, so that a later attempt meets a newer one."""
    operation = OPERATIONS.get(name)
    if operation is None:
        raise LookupError(f"no operation {name}")
    return operation
