from tasks import add
from worker import worker

with worker():
    assert add(40, 2).get(blocking=True, timeout=30) == 42
