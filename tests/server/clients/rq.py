from tasks import queue
from worker import run

job = queue.enqueue("operator.mul", 6, 7)
run("--burst")
job.refresh()
assert job.return_value() == 42
