import redis
from django.conf import settings
from tasks import CACHES

settings.configure(CACHES=CACHES)
from django.core.cache import cache  # noqa: E402

cache.set("a key", {"n": 41})
assert cache.get("a key") == {"n": 41}
try:
    cache.clear()
except redis.exceptions.NoPermissionError:
    assert cache.get("a key")
else:
    raise AssertionError("cache.clear() is refused no more: docs/clients.md says so")
