"""The bare servers that ours is compared with: `python -m tests.bench.floor constant|quart PORT`."""

import os
import sys
from pathlib import Path

import asyncpg
import jinja2
import orjson
import uvloop
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

# As large as the item page that it is compared with is given in the environment.
BODY = b"x" * int(os.environ.get("FLOOR_BYTES", "4000"))

PAGE = """<!doctype html><html><head><title>{{ item.title }}</title></head><body><h1>{{ item.title }}</h1>
{% for name, field in item.fields.items() %}<section class="{{ name }}">{{ field.value }}</section>{% endfor %}
</body></html>"""


async def constant(scope, receive, send):
    if scope["type"] != "http":
        return
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


def make_quart():
    """One SELECT by key and one Jinja template: what any page at all costs in this framework."""
    app = Quart(__name__)
    template = jinja2.Environment(autoescape=True).from_string(PAGE)

    @app.before_serving
    async def connect():
        async def prepare(conn):
            await conn.set_type_codec(
                "jsonb",
                encoder=lambda v: b"\x01" + orjson.dumps(v),
                decoder=lambda v: orjson.loads(v[1:]),
                schema="pg_catalog",
                format="binary",
            )

        app.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], init=prepare)

    @app.after_serving
    async def disconnect():
        await app.pool.close()

    @app.get("/item/<uuid:item_id>")
    async def show(item_id):
        row = await app.pool.fetchrow("SELECT title, fields FROM item WHERE id = $1", item_id)
        return template.render(item=row)

    return app


def main():
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[2]}"]
    config.accesslog = config.errorlog = None
    config.include_server_header = False
    app = constant if sys.argv[1] == "constant" else make_quart()
    uvloop.run(serve(app, config))


if __name__ == "__main__":
    assert Path.cwd().joinpath("kernel").is_dir(), "run this in the project's folder"
    main()
