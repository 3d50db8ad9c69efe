"""Everything that the author of a plugin needs: `from trovato_sdk import tap, Item, container, markup`."""

from trovato_sdk import cache, db, http, items, log, plugins, queues, request_context, user, variables
from trovato_sdk.cache import CacheError
from trovato_sdk.db import DbError, all_of, any_of
from trovato_sdk.definitions import (
    AccessResult,
    ContentTypeDefinition,
    FieldDefinition,
    FieldType,
    MenuDefinition,
    Page,
    PermissionDefinition,
    QueueDefinition,
)
from trovato_sdk.forms import Form, FormElement
from trovato_sdk.functions import offer
from trovato_sdk.http import FetchError, Response
from trovato_sdk.item import Field, Item, ItemData, ItemHandle
from trovato_sdk.items import ItemError, Saved
from trovato_sdk.plugins import CallError
from trovato_sdk.queues import PushError
from trovato_sdk.render import RenderElement, container, image, link, list_, markup, table
from trovato_sdk.taps import PageRequest, TapContext, tap
from trovato_sdk.variables import VariableError
from trovato_sdk.version import SDK_VERSION

__all__ = [
    "SDK_VERSION",
    "AccessResult",
    "CacheError",
    "CallError",
    "ContentTypeDefinition",
    "DbError",
    "FetchError",
    "Field",
    "FieldDefinition",
    "FieldType",
    "Form",
    "FormElement",
    "Item",
    "ItemData",
    "ItemError",
    "ItemHandle",
    "MenuDefinition",
    "Page",
    "PageRequest",
    "PermissionDefinition",
    "PushError",
    "QueueDefinition",
    "RenderElement",
    "Response",
    "Saved",
    "TapContext",
    "VariableError",
    "all_of",
    "any_of",
    "cache",
    "container",
    "db",
    "http",
    "image",
    "items",
    "link",
    "list_",
    "log",
    "markup",
    "offer",
    "plugins",
    "queues",
    "request_context",
    "table",
    "tap",
    "user",
    "variables",
]
