"""What sudo says when it lets nobody in."""

from collections.abc import Iterable


def refusal_of_sudo(said: Iterable[str]) -> str:
    """What to do about a sudo that wants a password, or another one; "" where it is about something else."""
    told = "\n".join(said)
    if "sudo: unable to run" in told and "pyinfra-sudo-askpass" in told:
        return (
            "sudo cannot run the program that pyinfra puts into /tmp for the password (noexec?): set _temp_dir to a "
            "directory there where programs may run, such as that user's home, or allow sudo without a password "
            "(NOPASSWD)"
        )
    if any(words in told for words in _WANTS_PASSWORD):
        return (
            "sudo wants a password: allow sudo without one (NOPASSWD) to the user that noevict comes as, or set "
            "_sudo_password (its hazard: see README)"
        )
    if "incorrect password attempt" in told or "no password was provided" in told:
        return "sudo does not take the password given as _sudo_password: put it right"
    return ""


# Of sudo and of sudo-rs.
_WANTS_PASSWORD = ("sudo: a password is required", "sudo-rs: interactive authentication is required")
