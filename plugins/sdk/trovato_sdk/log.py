"""Lines in the site's log, which the kernel marks with the plugin's name."""

from trovato_sdk.kernel import logging


def debug(message: str) -> None:
    """For whoever looks for a mistake; most sites leave such lines out."""
    logging.log("debug", message)


def info(message: str) -> None:
    """Something happened as it should."""
    logging.log("info", message)


def warning(message: str) -> None:
    """Something is not as it should be, and the plugin went on."""
    logging.log("warning", message)


def error(message: str) -> None:
    """Something failed, and somebody should look."""
    logging.log("error", message)
