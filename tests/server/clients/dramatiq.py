import time

from tasks import broker, remember
from worker import worker

remember.send("a key")
deadline = time.monotonic() + 30
with worker("--processes 1 --threads 1"):
    while broker.client.get("a key") != b"done":
        assert time.monotonic() < deadline, "not within 30 s"
        time.sleep(0.05)
