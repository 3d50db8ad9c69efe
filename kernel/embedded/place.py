"""Where the private servers keep their files, as whom they run, and how that user can reach them."""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kernel.errors import ConfigError

# PostgreSQL refuses to run as root, so root starts the servers as this system user.
SYSTEM_USER = "trovato-servers"
# Used by root alone, when SYSTEM_USER cannot enter the folder that was asked for (one below /root, say).
SHARED_ROOT = Path("/var/lib/trovato")
# Parts of the packages that the servers do not need.
_NOT_COPIED = ("include", "falkordb.so", "*.a")


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` is for this program, `servers` for what the servers own; `packages` holds copies of their
    programs when their user cannot reach the installed ones. All run as one user when `uid` is None."""

    folder: Path
    servers: Path
    packages: Path
    uid: int | None
    gid: int | None
    password: str

    @property
    def groups(self) -> list[int] | None:
        """The further groups of the servers' user: none, where it is another than ours."""
        return None if self.uid is None else []

    def password_for(self, login: str) -> str:
        """A password of its own for each login, so that who knows one does not know the next."""
        return hashlib.sha256(f"{login} {self.password}".encode()).hexdigest()[:32]

    def give(self, path: Path) -> None:
        """Hand a file or folder over to the servers' user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def prepare_place(var: Path, shared_root: Path = SHARED_ROOT) -> Place:
    """Make the folders, the password and, for root, the system user. Raises ConfigError with what to do."""
    folder = var.resolve() / "embedded"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        password = _read_or_make_password(folder / "password")
        if os.geteuid() != 0:
            folder.chmod(0o700)
            return Place(folder, folder, folder, None, None, password)
        folder.chmod(0o711)
        return _choose_place(folder, shared_root, password)
    except OSError as error:
        raise give_up(
            f"The embedded servers cannot use {error.filename or folder}: {error.strerror}."
            " Choose another folder with TROVATO_VAR"
        ) from error


def find_package(name: str) -> Path:
    """The folder of an installed package; not imported, since only the programs in it are wanted."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        package = name.replace("_", "-")
        raise give_up(
            f"The package {package}, which brings an embedded server, is not installed. Run `make run`"
        )
    return Path(spec.submodule_search_locations[0])


def can_reach(place: Place, path: Path) -> bool:
    """Whether the servers' user can enter a folder or start a program: asked of the system, which knows."""
    command = ["test", "-x", str(path)]
    test = subprocess.run(
        command, check=False, cwd="/", user=place.uid, group=place.gid, extra_groups=place.groups
    )
    return test.returncode == 0


def ensure_reachable(place: Place, program: Path, *folders: Path) -> Path:
    """The program itself, or the same one in a copy of `folders`, which are siblings."""
    if can_reach(place, program):
        return program
    source = folders[0].parent
    stat = program.stat()
    mark = hashlib.sha256(f"{program} {stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:12]
    target = place.packages / mark
    if not target.exists():
        making = place.packages / f"{mark}.{secrets.token_hex(4)}"
        _make_open(making)
        for folder in folders:
            shutil.copytree(
                folder, making / folder.relative_to(source), ignore=shutil.ignore_patterns(*_NOT_COPIED)
            )
        for path in making.rglob("*"):
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
        try:
            making.rename(target)
        except OSError:  # another program was faster
            shutil.rmtree(making)
    return target / program.relative_to(source)


def _choose_place(folder: Path, shared_root: Path, password: str) -> Place:
    """For root: the folder itself if the system user can enter it, else one among the system's data."""
    user = _ensure_system_user()
    place = Place(folder, folder, shared_root / "packages", user.pw_uid, user.pw_gid, password)
    if can_reach(place, folder):
        return place
    servers = shared_root / hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    _make_open(servers)
    link = folder / "elsewhere"  # tells `make clean`, and whoever looks, where the data is
    link.unlink(missing_ok=True)
    link.symlink_to(servers)
    place = Place(folder, servers, shared_root / "packages", user.pw_uid, user.pw_gid, password)
    if can_reach(place, servers):
        return place
    raise give_up(
        f"The user '{SYSTEM_USER}', as whom root starts the embedded servers, can enter neither {folder}"
        f" nor {servers}. Choose another folder with TROVATO_VAR, run this as an ordinary user"
    )


def _make_open(folder: Path) -> None:
    """Make the folder and what is missing above it so that anybody may pass, whatever the umask says."""
    if not folder.exists():
        _make_open(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _read_or_make_password(path: Path) -> str:
    if not path.exists():
        making = path.with_suffix(f".{secrets.token_hex(4)}")
        with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
        try:
            path.hardlink_to(making)  # fails when another program was faster, whose password is then the one
        except FileExistsError:
            pass
        finally:
            making.unlink()
    return path.read_text().strip()


def _ensure_system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        problem = _make_system_user()
    try:
        return pwd.getpwnam(SYSTEM_USER)  # another program may have made it at the same moment
    except KeyError:
        raise give_up(
            f"PostgreSQL does not run as root, and the system user '{SYSTEM_USER}' cannot be made: {problem}."
            " Run this as an ordinary user"
        ) from None


def _make_system_user() -> str:
    """What went wrong, if something did."""
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    try:
        made = subprocess.run([*command, SYSTEM_USER], check=False, capture_output=True, text=True)
    except FileNotFoundError:
        return "there is no useradd"
    return made.stderr.strip()


def give_up(message: str) -> ConfigError:
    """The error to raise; `message` says what is wrong and, after its last full stop, the first way out."""
    return ConfigError([f"{message}, or set DATABASE_URL and REDIS_URL to use servers of your own."])
