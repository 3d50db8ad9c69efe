"""All public names at once, for `from trovato_sdk.prelude import *`."""

from trovato_sdk import *  # noqa: F403  # a prelude is for exactly this
from trovato_sdk import __all__  # noqa: F401  # for the star of whoever imports this
