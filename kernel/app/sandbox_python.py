"""What the Python of the sandbox lacks, and what it refuses when it is called."""

import sys
from typing import Final

STANDARD_LIBRARY: Final = frozenset(sys.stdlib_module_names)
# In an ordinary Python and not in the sandbox's, which has no operating system below it.
_NO_SYSTEM: Final = frozenset(
    {
        "bz2",
        "ctypes",
        "curses",
        "fcntl",
        "grp",
        "lzma",
        "mmap",
        "msvcrt",
        "nt",
        "pty",
        "pwd",
        "readline",
        "resource",
    }
    | {"ssl", "syslog", "termios", "tkinter", "tty", "turtle", "winreg", "winsound"}
)
# Left the standard library between the oldest Python that runs the kernel, 3.11, and the sandbox's, 3.14.
_RETIRED: Final = frozenset(
    {
        "aifc",
        "asynchat",
        "asyncore",
        "audioop",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "distutils",
        "imghdr",
        "imp",
    }
    | {
        "lib2to3",
        "mailcap",
        "msilib",
        "nis",
        "nntplib",
        "ossaudiodev",
        "pipes",
        "smtpd",
        "sndhdr",
        "spwd",
        "sunau",
    }
    | {"telnetlib", "uu", "xdrlib"}
)
ABSENT: Final = _NO_SYSTEM | _RETIRED

_NO_WAITING: Final = "plugins may not wait; what is for later goes onto a queue"
_NO_CONNECTIONS: Final = "plugins may not open connections"
_NO_PROCESSES: Final = "there are no threads and no processes"
_NO_FILES: Final = "there are no files; keep data in items, tables or variables"
_NO_INPUT: Final = "nobody is there to type"
# By the dotted name that is called; one that ends with a dot stands for everything in the module.
_REFUSED: Final = {
    "time.sleep": _NO_WAITING,
    "asyncio.sleep": _NO_WAITING,
    "socket.": _NO_CONNECTIONS,
    "http.client.": _NO_CONNECTIONS,
    "urllib.request.": _NO_CONNECTIONS,
    "ftplib.": _NO_CONNECTIONS,
    "smtplib.": _NO_CONNECTIONS,
    "poplib.": _NO_CONNECTIONS,
    "imaplib.": _NO_CONNECTIONS,
    "asyncio.open_connection": _NO_CONNECTIONS,
    "threading.Thread": _NO_PROCESSES,
    "threading.Timer": _NO_PROCESSES,
    "concurrent.futures.": _NO_PROCESSES,
    "multiprocessing.": _NO_PROCESSES,
    "asyncio.to_thread": _NO_PROCESSES,
    "subprocess.": _NO_PROCESSES,
    "os.system": _NO_PROCESSES,
    "os.popen": _NO_PROCESSES,
    "os.fork": _NO_PROCESSES,
    "builtins.open": _NO_FILES,
    "io.open": _NO_FILES,
    "tempfile.": _NO_FILES,
    "shutil.": _NO_FILES,
    "builtins.input": _NO_INPUT,
}


def find_refusal(called: str) -> str | None:
    """Why a call of that dotted name fails in the sandbox, if it does."""
    parts = called.split(".")
    whole = [".".join(parts[:count]) + "." for count in range(1, len(parts))]
    return next((_REFUSED[name] for name in (called, *whole) if name in _REFUSED), None)
