from django.conf import settings
from tasks import CACHES

settings.configure(CACHES=CACHES)
from django.core.cache import cache  # noqa: E402


def refusal(call) -> str:
    """What it raises, and why."""
    try:
        call()
    except Exception as error:
        return f"{error!r} {error.__cause__!r}"
    return "none"


cache.set("a key", 1)
assert cache.incr("a key") == 2
for refused in (cache.clear, lambda: cache.keys("a*")):
    assert "NoPermissionError" in refusal(refused), refusal(refused)
assert list(cache.iter_keys("a*")) == ["a key"]
assert cache.delete_pattern("*") == 1
