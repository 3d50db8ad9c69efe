"""The functions of kernel.wit that this release brings; the sandbox answers for the rest."""

from kernel.host.cache_api import list_cache_functions
from kernel.host.db_api import list_db_functions
from kernel.host.http_api import list_http_functions
from kernel.host.item_api import list_item_functions
from kernel.host.item_store_api import list_item_store_functions
from kernel.host.logging_api import list_logging_functions
from kernel.host.plugin_api import list_plugin_functions
from kernel.host.queue_api import list_queue_functions
from kernel.host.request_context import list_request_context_functions
from kernel.host.user_api import list_user_functions
from kernel.host.variables import list_variable_functions
from kernel.ledger.ledger import Ledger
from kernel.outbound.client import Outbound
from kernel.sandbox.host import HostFunction


def list_host_functions(ledger: Ledger) -> tuple[HostFunction, ...]:
    """What `Sandbox.open` is given. Each expects the state of kernel.tap.scope."""
    return (
        *list_item_functions(),
        *list_item_store_functions(ledger),
        *list_request_context_functions(),
        *list_user_functions(),
        *list_variable_functions(ledger.db),
        *list_db_functions(ledger.db),
        *list_cache_functions(ledger.cache, ledger.config.cache_ttl_s),
        *list_plugin_functions(),
        *list_queue_functions(ledger),
        *list_http_functions(Outbound(ledger.config.outbound_private_hosts), ledger.cache.metrics),
        *list_logging_functions(),
    )
