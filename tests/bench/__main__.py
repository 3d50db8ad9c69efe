"""`make bench`: measures this machine and prints what docs/performance.md keeps.

Asks for nothing: PostgreSQL and Redis are the embedded ones, unless DATABASE_URL (a superuser's) and REDIS_URL are set.
"""

import asyncio
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from kernel.embedded.servers import EmbeddedServices

SECTIONS = {
    "sandbox": "calls into plugins",
    "containment": "what plugins cannot do to others",
    "ledger": "the job ledger and the queue",
    "scale": "the ledger beside a million finished jobs",
    "cache": "the caches",
    "fragment": "answers of plugins that are kept",
    "site": "a whole site",
    "import": "an import, alone and beside an editor",
}


async def main(wanted):
    services = EmbeddedServices()
    environment = dict(os.environ)
    if not (environment.get("DATABASE_URL") and environment.get("REDIS_URL")):
        urls = await services.start(Path("var/test").absolute(), lambda text: print(text, file=sys.stderr))
        environment |= {"DATABASE_URL": urls.superuser_url, "REDIS_URL": urls.redis_url}
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    failed = 0
    try:
        for name in wanted or SECTIONS:
            print(f"\n== {SECTIONS[name]}", flush=True)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"tests.bench.{name}_bench", env=environment
            )
            failed += await process.wait() != 0
    finally:
        await services.stop()
    return failed


if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - SECTIONS.keys()
    if unknown:
        sys.exit(f"There is no section {', '.join(sorted(unknown))}. There are: {', '.join(SECTIONS)}.")
    sys.exit(asyncio.run(main(sys.argv[1:])))
