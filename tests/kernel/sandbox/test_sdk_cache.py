"""The SDK's part in a plugin's own corner of the cache, with the stand-in for the kernel."""

import pytest
from trovato_sdk import CacheError, cache
from trovato_sdk.kernel import Err
from trovato_sdk.testing import TestKernel


def test_values_are_anything_that_json_can_hold():
    with TestKernel() as kernel:
        assert cache.get("counts", "all") is None
        assert cache.set("counts", "all", {"sum": [1, None, "ü"]})
        assert cache.get("counts", "all") == {"sum": [1, None, "ü"]}
        assert kernel.cached == {("counts", "all"): {"sum": [1, None, "ü"]}}
        with pytest.raises(TypeError):
            cache.set("counts", "all", object())
        with pytest.raises(ValueError, match="JSON"):
            cache.set("counts", "all", float("nan"))


def test_what_was_set_under_a_tag_goes_with_it():
    with TestKernel():
        cache.set("prices", "bread", 3, ["prices", "bakery"])
        cache.set("prices", "salt", 1, ["prices"])
        cache.invalidate("bakery")
        assert (cache.get("prices", "bread"), cache.get("prices", "salt")) == (None, 1)
        cache.set("prices", "salt", 2)
        cache.invalidate("prices")
        assert cache.get("prices", "salt") == 2


def test_a_refusal_is_an_error_with_a_code():
    def refuse(*_arguments):
        raise Err('{"code": "too-large", "message": "A value may be 100,000 bytes."}')

    with TestKernel() as kernel:
        kernel.cache_api.set = kernel.cache_api.invalidate_tag = refuse
        for call in (lambda: cache.set("b", "k", "v"), lambda: cache.invalidate("t")):
            with pytest.raises(CacheError, match="100,000 bytes") as refused:
                call()
            assert refused.value.code == "too-large"
