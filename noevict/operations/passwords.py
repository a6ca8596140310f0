"""A host's own passwords: what root's files there say of them, and the end of the older ones."""

from noevict.acl import diff as acl_diff
from noevict.errors import NoevictError
from noevict.operations.files import placing
from noevict.operations.live import change_users
from noevict.run.instance import InstanceRun
from noevict.scripts import script
from noevict.server import password_rotation
from noevict.server.password_rotation import DIRECTORY, GIVEN, ID
from noevict.ssh.shell import SYNC_SECONDS


def note_generation(run: InstanceRun) -> None:
    """Which users.yml the host gets passwords from, written before it gets any.

    Should the run end in between, the next one with the same users.yml goes on; an older copy is refused already.
    """
    generation = run.secrets.generation
    if run.found.machine.given != generation and password_rotation.gives_passwords(
        run.plan.changes, run.layout.aclfile
    ):
        _write(run, GIVEN, str(generation))


def finish_passwords(run: InstanceRun) -> None:
    """Once noevict, or the exporter, got in with the new password: older ones are not taken any more.

    The id comes first: it says that the password which all hosts had is never sent here again, and by it this
    host's own are found whatever the host is called.
    """
    plan, secrets = run.plan, run.secrets
    key, due = secrets.host, any(map(password_rotation.is_finishing, plan.changes))
    if not due or key is None:
        return
    if run.found.machine.id != key.id:
        _write(run, ID, key.id)
    left = password_rotation.left_over(secrets, run.found)
    if left:
        change_users(run.client, acl_diff.repair_commands(plan.target.users, left))
        files = [file for file in plan.target.files if file.path == run.layout.aclfile]
        run.machine.shell(
            placing(run.layout.etc, files, reload=False), seconds=SYNC_SECONDS, what="placing users.acl"
        )
        run.look_again()
        if not run.found.live.ours or password_rotation.left_over(run.secrets, run.found):
            raise NoevictError("its older passwords are still taken: run again")


def _write(run: InstanceRun, path: str, content: str) -> None:
    name = path.rpartition("/")[2]
    run.machine.shell(
        script("root_file", directory=DIRECTORY, file=name, content=content),
        seconds=SYNC_SECONDS,
        what=f"writing {path}",
    )
