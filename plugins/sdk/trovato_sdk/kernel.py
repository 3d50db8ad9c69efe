"""The kernel as a plugin sees it: host functions inside the sandbox, a stand-in outside of it."""

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol


class ItemApi(Protocol):
    def load(self, item_id: str) -> str: ...
    def save(self, item_json: str) -> str: ...
    def get_id(self, handle: int) -> str | None: ...
    def get_type(self, handle: int) -> str | None: ...
    def get_title(self, handle: int) -> str | None: ...
    def set_title(self, handle: int, title: str) -> bool: ...
    def get_field(self, handle: int, name: str) -> str | None: ...
    def get_field_string(self, handle: int, name: str) -> str | None: ...
    def get_field_int(self, handle: int, name: str) -> int | None: ...
    def get_field_bool(self, handle: int, name: str) -> bool | None: ...
    def set_field(self, handle: int, name: str, field_json: str) -> bool: ...
    def set_field_string(self, handle: int, name: str, value: str) -> bool: ...
    def set_field_int(self, handle: int, name: str, value: int) -> bool: ...
    def set_field_bool(self, handle: int, name: str, value: bool) -> bool: ...


class UserApi(Protocol):
    def current_user_id(self) -> str: ...
    def current_user_has_permission(self, permission: str) -> bool: ...


class RequestContextApi(Protocol):
    def get(self, key: str) -> str | None: ...
    def set(self, key: str, value: str) -> bool: ...


class VariablesApi(Protocol):
    def get(self, name: str, default: str) -> str: ...
    def set(self, name: str, value: str) -> bool: ...


class DbApi(Protocol):
    def select(self, query_json: str) -> str: ...
    def insert(self, table: str, data_json: str) -> str: ...
    def update(self, query_json: str) -> str: ...
    def delete(self, query_json: str) -> str: ...


class PluginApi(Protocol):
    def plugin_exists(self, name: str) -> bool: ...
    def invoke(self, plugin: str, function: str, payload_json: str) -> str: ...


class QueueApi(Protocol):
    def push(self, queue: str, payload_json: str) -> str: ...


class HttpApi(Protocol):
    def fetch(self, request_json: str) -> str: ...


class CacheApi(Protocol):
    def get(self, bin: str, key: str) -> str | None: ...  # noqa: A002  # the kernel's own word
    def set(self, bin: str, key: str, value: str, tags_json: str) -> bool: ...  # noqa: A002  # as above
    def invalidate_tag(self, tag: str) -> bool: ...


class LoggingApi(Protocol):
    def log(self, level: str, message: str) -> None: ...


class Kernel(Protocol):
    """The interfaces of kernel.wit that the SDK wraps."""

    @property
    def item_api(self) -> ItemApi: ...
    @property
    def user_api(self) -> UserApi: ...
    @property
    def request_context(self) -> RequestContextApi: ...
    @property
    def db(self) -> DbApi: ...
    @property
    def variables(self) -> VariablesApi: ...
    @property
    def plugin_api(self) -> PluginApi: ...
    @property
    def queue_api(self) -> QueueApi: ...
    @property
    def http_api(self) -> HttpApi: ...
    @property
    def cache_api(self) -> CacheApi: ...
    @property
    def logging(self) -> LoggingApi: ...


CURRENT: Final[ContextVar[Kernel]] = ContextVar("trovato_kernel")


class _StandIn:
    """Finds the interface in the kernel that `trovato_sdk.testing` has put up, at each use."""

    def __init__(self, interface: str) -> None:
        self._interface = interface

    def __getattr__(self, function: str) -> Any:
        kernel = CURRENT.get(None)
        if kernel is None:
            raise RuntimeError(
                f"{self._interface}.{function} needs a kernel: use `with trovato_sdk.testing.TestKernel():`"
            )
        return getattr(getattr(kernel, self._interface), function)


if TYPE_CHECKING:

    class Err(Exception):
        """How a host function refuses: `value` is a JSON object with `code` and `message`."""

        value: str

    cache_api: CacheApi
    db: DbApi
    http_api: HttpApi
    item_api: ItemApi
    logging: LoggingApi
    plugin_api: PluginApi
    queue_api: QueueApi
    request_context: RequestContextApi
    user_api: UserApi
    variables: VariablesApi
else:
    # Only modules that are imported while a plugin is built exist in the sandbox, so this stands at the top.
    try:
        from componentize_py_types import Err
        from wit_world.imports import (
            cache_api,
            db,
            http_api,
            item_api,
            logging,
            plugin_api,
            queue_api,
            request_context,
            user_api,
            variables,
        )
    except ImportError:

        class Err(Exception):
            def __init__(self, value: str) -> None:
                super().__init__(value)
                self.value = value

        cache_api = _StandIn("cache_api")
        db = _StandIn("db")
        http_api = _StandIn("http_api")
        item_api = _StandIn("item_api")
        logging = _StandIn("logging")
        plugin_api = _StandIn("plugin_api")
        queue_api = _StandIn("queue_api")
        request_context = _StandIn("request_context")
        user_api = _StandIn("user_api")
        variables = _StandIn("variables")
