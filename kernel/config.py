"""Reads the environment once into a frozen Config and refuses to start on a bad value, naming it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from kernel.errors import ConfigError
from kernel.log import LogFormat
from kernel.names import is_host

Role = Literal["owner", "worker", "web"]
Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

THIS_MACHINE: Final = "127.0.0.1/32,::1/128"
MAIL_FROM: Final = re.compile(r"""[^\s<>"@,;]+@[a-z0-9.-]+|[^<>"@,;\r\n]+ <[^\s<>"@,;]+@[a-z0-9.-]+>""")
# It stands in an address, so it consists of what needs no escaping there.
CRON_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,200}")


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Who may read the metrics, and where a worker offers its own; `port` 0: nowhere."""

    token: str = field(default="", repr=False)
    allow: Networks = (IPv4Network("127.0.0.1/32"), IPv6Network("::1/128"))
    host: str = "127.0.0.1"
    port: int = 0


@dataclass(frozen=True, slots=True)
class CronConfig:
    """`key` opens the address of cron; without one the site makes its own. Cron is late when it has not come to an
    end for `late_s`. Finished jobs are kept for so many days."""

    key: str = field(default="", repr=False)
    late_s: float = 900.0
    lock_ttl_s: float = 300.0
    heartbeat_s: float = 60.0
    keep_done_jobs_days: float = 7.0
    keep_failed_jobs_days: float = 90.0


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """`tls` is from the first byte (`implicit`), begun by the server's STARTTLS and insisted on, or none at all."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    tls: Literal["implicit", "starttls", "none"] = "starttls"


@dataclass(frozen=True, slots=True)
class MailConfig:
    """Without a server, mails are kept and not sent. `sender` is like `The Site <site@example.org>`."""

    server: SmtpServer | None = None
    sender: str = "Trovato <trovato@localhost>"


@dataclass(frozen=True, slots=True)
class Config:
    """Durations are in seconds. `database_url` logs in as somebody who may act as all three roles, unless
    `database_url_worker` and `database_url_web` give the other two logins of their own."""

    database_url: str = ""
    database_url_owner: str = ""
    database_url_worker: str = ""
    database_url_web: str = ""
    redis_url: str = ""
    redis_prefix: str = "trovato"

    host: str = "127.0.0.1"
    port: int = 3000
    site_url: str = ""
    site_name: str = "Trovato"
    theme: str = ""
    var: Path = Path("var")
    plugins_dir: Path = Path("plugins")
    templates_dir: Path = Path("templates")
    web_processes: int = 1
    worker_processes: int = 1
    log_level: str = "INFO"
    log_format: LogFormat = "auto"
    slow_request_ms: float = 500.0
    metrics: MetricsConfig = MetricsConfig()
    cron: CronConfig = CronConfig()
    mail: MailConfig = MailConfig()

    max_body_bytes: int = 2_000_000
    max_upload_bytes: int = 100_000_000
    save_wait_s: float = 2.0
    lease_s: float = 30.0
    sweep_every_s: float = 2.0
    poll_every_s: float = 2.0
    interactive_slots: int = 8
    background_slots: int = 4
    session_ttl_s: float = 86_400.0
    login_link_ttl_s: float = 86_400.0
    cache_entries: int = 4_000
    cache_ttl_s: float = 3_600.0
    generation_poll_s: float = 0.5
    database_pool: int = 10
    ready_instances: int = 4
    plugin_memory_mb: int = 64
    plugin_cpu_ms: float = 100.0
    outbound_private_hosts: frozenset[str] = frozenset()
    secure_cookies: bool = field(default=False)
    trusted_proxies: Networks = (IPv4Network("127.0.0.1/32"), IPv6Network("::1/128"))
    rate_limits: bool = True
    keep_addresses_days: float = 7.0
    keep_audit_days: float = 400.0

    def url_for_role(self, role: Role) -> str:
        own = {
            "owner": self.database_url_owner,
            "worker": self.database_url_worker,
            "web": self.database_url_web,
        }[role]
        return own or self.database_url

    @property
    def public_url(self) -> str:
        return self.site_url or f"http://localhost:{self.port}"


def read_config(env: Mapping[str, str]) -> Config:
    """Every mistake is reported at once. Raises ConfigError."""
    reader = _Reader(env)
    site_url = reader.url("SITE_URL", "", ("http", "https")).rstrip("/")
    config = Config(
        database_url=reader.url("DATABASE_URL", "", ("postgresql", "postgres")),
        database_url_owner=reader.url("DATABASE_URL_OWNER", "", ("postgresql", "postgres")),
        database_url_worker=reader.url("DATABASE_URL_WORKER", "", ("postgresql", "postgres")),
        database_url_web=reader.url("DATABASE_URL_WEB", "", ("postgresql", "postgres")),
        redis_url=reader.url("REDIS_URL", "", ("redis", "rediss", "unix")),
        redis_prefix=reader.text("REDIS_PREFIX", "trovato"),
        host=reader.text("TROVATO_HOST", "127.0.0.1"),
        port=int(reader.number("PORT", 3000, 1, 65_535)),
        site_url=site_url,
        site_name=reader.text("SITE_NAME", "Trovato"),
        theme=reader.text("TROVATO_THEME", ""),
        var=Path(reader.text("TROVATO_VAR", "var")).absolute(),
        plugins_dir=Path(reader.text("TROVATO_PLUGINS", "plugins")).absolute(),
        templates_dir=Path(reader.text("TROVATO_TEMPLATES", "templates")).absolute(),
        web_processes=int(reader.number("WEB_PROCESSES", 1, 1, 64)),
        worker_processes=int(reader.number("WORKER_PROCESSES", 1, 1, 64)),
        log_level=reader.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        slow_request_ms=reader.number("SLOW_REQUEST_MS", 500, 1, 60_000),
        metrics=_read_metrics(reader, site_url),
        cron=_read_cron(reader),
        mail=_read_mail(reader, site_url),
        log_format=reader.choice("LOG_FORMAT", "auto", ("auto", "json", "console")),  # type: ignore[arg-type]  # one of the choices
        max_body_bytes=int(reader.number("MAX_BODY_BYTES", 2_000_000, 1_000, 1_000_000_000)),
        max_upload_bytes=int(reader.number("MAX_UPLOAD_BYTES", 100_000_000, 1_000, 1_000_000_000)),
        save_wait_s=reader.number("SAVE_WAIT_S", 2.0, 0.0, 30.0),
        session_ttl_s=reader.number("SESSION_TTL_S", 86_400.0, 60.0, 31_536_000.0),
        outbound_private_hosts=reader.hosts("OUTBOUND_PRIVATE_HOSTS", ""),
        secure_cookies=reader.flag("SECURE_COOKIES", site_url.startswith("https://")),
        trusted_proxies=reader.networks("TRUSTED_PROXIES", THIS_MACHINE),
        rate_limits=reader.flag("RATE_LIMITS", True),
        keep_addresses_days=reader.number("KEEP_ADDRESSES_DAYS", 7, 1, 3_650),
        keep_audit_days=reader.number("KEEP_AUDIT_DAYS", 400, 1, 36_500),
    )
    if bool(config.database_url) != bool(config.redis_url):
        missing = "REDIS_URL" if config.database_url else "DATABASE_URL"
        reader.problems.append(
            f"{missing} is not set, while the other one of DATABASE_URL and REDIS_URL is."
            " Set both to use your own servers, or neither to use the embedded ones."
        )
    if config.metrics.port + config.worker_processes > 65_536:
        reader.problems.append(f"METRICS_PORT leaves no ports for {config.worker_processes} workers.")
    if reader.problems:
        raise ConfigError(reader.problems)
    return config


def _read_metrics(reader: "_Reader", site_url: str) -> MetricsConfig:
    """A site with an address of its own has a proxy in front, whose address every visitor then seems to have: there
    this machine is not trusted unless somebody says so."""
    token = reader.text("METRICS_TOKEN", "")
    if token and (len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token):
        reader.problems.append(
            "METRICS_TOKEN must be 16 or more letters, digits and signs, for example from `openssl rand -hex 24`."
        )
    return MetricsConfig(
        token=token,
        allow=reader.networks("METRICS_ALLOW", "none" if site_url else THIS_MACHINE),
        host=reader.text("METRICS_HOST", "127.0.0.1"),
        port=int(reader.number("METRICS_PORT", 0, 0, 65_535)),
    )


def _read_cron(reader: "_Reader") -> CronConfig:
    key = reader.text("CRON_KEY", "")
    if key and not CRON_KEY.fullmatch(key):
        reader.problems.append(
            "CRON_KEY must be 16 to 200 letters, digits, - and _, for example from `openssl rand -hex 24`."
        )
    return CronConfig(
        key=key,
        late_s=reader.number("CRON_LATE_S", 900, 120, 604_800),
        keep_done_jobs_days=reader.number("KEEP_DONE_JOBS_DAYS", 7, 1, 3_650),
        keep_failed_jobs_days=reader.number("KEEP_FAILED_JOBS_DAYS", 90, 1, 3_650),
    )


def _read_mail(reader: "_Reader", site_url: str) -> MailConfig:
    """Mails hold links, so a site that sends them has to know its own address: that of a request is a stranger's."""
    url, sender = reader.url("SMTP_URL", "", ("smtp", "smtps")), reader.text("MAIL_FROM", "")
    if sender and not MAIL_FROM.fullmatch(sender):
        reader.problems.append("MAIL_FROM must be like site@example.org or The Site <site@example.org>.")
    if not url:
        return MailConfig(sender=sender) if sender else MailConfig()
    for name, value in (("MAIL_FROM", sender), ("SITE_URL", site_url)):
        if not value:
            reader.problems.append(f"{name} is not set, and SMTP_URL needs it.")
    parts = urlsplit(url)
    if not parts.hostname or parts.path.strip("/") or parts.query not in {"", "starttls=no"}:
        reader.problems.append("SMTP_URL must be like smtp://user:password@mail.example.org:587.")
    is_implicit = parts.scheme == "smtps"
    # What goes to a server on this machine is on no line that somebody could listen to.
    is_here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    is_plain = parts.query == "starttls=no" or (is_here and not parts.username)
    server = SmtpServer(
        host=parts.hostname or "",
        port=parts.port or (465 if is_implicit else 587),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls="implicit" if is_implicit else "none" if is_plain else "starttls",
    )
    return MailConfig(server, sender)


class _Reader:
    """Collects a complaint per variable instead of stopping at the first."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self.env.get(name, "").strip() or default

    def number(self, name: str, default: float, low: float, high: float) -> float:
        raw = self.text(name, str(default))
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            self.problems.append(f"{name} must be a number from {low:g} to {high:g}, not {raw!r}.")
            return default
        return value

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        raw = self.text(name, default)
        if raw not in allowed:
            self.problems.append(f"{name} must be one of {', '.join(allowed)}, not {raw!r}.")
            return default
        return raw

    def networks(self, name: str, default: str) -> Networks:
        """Addresses and networks with commas between them, or "none"."""
        raw = self.text(name, default)
        if raw == "none":
            return ()
        try:
            return tuple(_as_plain(ip_network(part.strip())) for part in raw.split(","))
        except ValueError as error:
            self.problems.append(
                f"{name} must be addresses or networks such as 10.0.0.0/8, with commas, or none: {error}."
            )
            return ()

    def hosts(self, name: str, default: str) -> frozenset[str]:
        """Names of servers with commas between them, each perhaps with a port."""
        hosts = [part.strip().lower() for part in self.text(name, default).split(",") if part.strip()]
        for host in hosts:
            label, colon, port = host.partition(":")
            is_port = port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535
            if not is_host(label) or (colon and not is_port):
                self.problems.append(
                    f"{name} must be hosts such as mail.internal or search.internal:8080, with commas, not {host!r}."
                )
        return frozenset(hosts)

    def flag(self, name: str, default: bool) -> bool:
        return self.choice(name, "true" if default else "false", ("true", "false")) == "true"

    def url(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        raw = self.text(name, default)
        if not raw:
            return raw
        try:
            parts = urlsplit(raw)
            parts.port  # noqa: B018  # a port that is not a number raises here
        except ValueError:
            parts = None
        if parts is None or parts.scheme not in schemes:
            # The value may hold a password, so it is not repeated.
            self.problems.append(
                f"{name} must be a URL that starts with {' or '.join(s + '://' for s in schemes)}."
            )
            return default
        return raw


def _as_plain(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """A network of IPv4 that is written as one of IPv6 is the former, as addresses are where they are compared."""
    inside = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    return IPv4Network((inside, network.prefixlen - 96)) if inside and network.prefixlen >= 96 else network
