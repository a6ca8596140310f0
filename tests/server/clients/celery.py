from tasks import add
from worker import worker

with worker("--pool=solo"):
    assert add.delay(40, 2).get(timeout=30) == 42
