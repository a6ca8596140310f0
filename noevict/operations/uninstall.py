"""The way out: a host that noevict no longer looks after, and whose Redis goes on as it is."""

from noevict.operations.lock import take_lock
from noevict.operations.step import step
from noevict.run import HostRun
from noevict.scripts import script
from noevict.target import SYSCTL


@step
def stop_managing(run: HostRun) -> None:
    """Remove what is noevict's alone; server, configuration and data stay, and are named."""
    take_lock(run)
    engine = run.engine
    left = run.shell(
        script(
            "uninstall",
            etc=engine.etc,
            conf=engine.conf,
            dropin=engine.dropin,
            sysctl=SYSCTL,
            tls=engine.tls,
            data=engine.data,
        ),
        what="removing what is noevict's",
    )
    run.log(f"is no longer managed; {engine.title} goes on as it is, with {', '.join(left)}")
