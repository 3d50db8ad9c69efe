"""While Redis is away nothing can be counted, and the site goes on as far as that is safe."""

from dataclasses import replace

import pytest

from tests.fixtures.site import open_site


@pytest.mark.story("2.9")
@pytest.mark.story("14.1")
async def test_without_redis_pages_go_on_and_nobody_logs_in(site_config, renderer, own_redis):
    config = replace(site_config, rate_limits=True, redis_url=own_redis.url)
    async with open_site(config, renderer) as site, site.client() as visitor:
        own_redis.stop()
        assert (await visitor.get("/health/ready")).status_code == 200
        ill = await visitor.get("/health")
        assert (ill.status_code, ill.json()) == (
            503,
            {"status": "unhealthy", "postgres": True, "redis": False},
        )
        assert (await visitor.get("/")).status_code == 200
        refused = await visitor.post("/user/login", data={"name": "ada", "password": "x"})
        assert refused.status_code == 503
        assert "Nobody can log in just now" in refused.text
        assert refused.headers["Retry-After"] == "10"
        # Looked at like any other: it is the token that it lacks.
        assert (await visitor.post("/item/add/page", data={"title": "x"})).status_code in {401, 403}
