"""Lines in the site's log, which the kernel marks with the plugin's name."""

from trovato_sdk.kernel import logging


def debug(message: str) -> None:
    logging.log("debug", message)


def info(message: str) -> None:
    logging.log("info", message)


def warning(message: str) -> None:
    logging.log("warning", message)


def error(message: str) -> None:
    logging.log("error", message)
