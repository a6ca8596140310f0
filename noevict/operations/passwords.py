"""A host's own passwords: writes root's files about them on the host, and ends older passwords."""

from noevict.acl import diff as acl_diff
from noevict.engines.package_layout import STATE_DIRECTORY
from noevict.errors import NoevictError
from noevict.machine.found import GIVEN, ID
from noevict.operations.files import file_script
from noevict.operations.live import change_users
from noevict.run.instance import InstanceRun
from noevict.scripts import script
from noevict.server import password_rotation
from noevict.ssh.shell import SYNC_SECONDS


def note_generation(run: InstanceRun) -> None:
    """Write on the host which users.yml it gets passwords from, before it gets any.

    If the run ends in between, the next run with the same users.yml continues, and one with an older copy is refused.
    """
    generation = run.secrets.generation
    if run.found.machine.given != generation and password_rotation.gives_passwords(
        run.plan.changes, run.layout.aclfile
    ):
        _write(run, GIVEN, str(generation))


def finish_passwords(run: InstanceRun) -> None:
    """End older passwords, once noevict or the exporter has logged in with the new one.

    The id is written first: it says that the password that all hosts had is never sent here again, and by it this
    host's own passwords are found whatever the host is called.
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
            file_script(run.layout.etc, files, reload=False), seconds=SYNC_SECONDS, what="placing users.acl"
        )
        run.look_again()
        if not run.found.live.ours or password_rotation.left_over(run.secrets, run.found):
            raise NoevictError("its older passwords are still accepted: run again")


def _write(run: InstanceRun, path: str, content: str) -> None:
    name = path.rpartition("/")[2]
    run.machine.shell(
        script("root_file", directory=STATE_DIRECTORY, file=name, content=content),
        seconds=SYNC_SECONDS,
        what=f"writing {path}",
    )
