"""Explains why sudo refused."""

from collections.abc import Iterable


def refusal_of_sudo(lines: Iterable[str]) -> str:
    """Return what to do about a sudo that wants a password, or another one; "" if the lines are about anything else."""
    output = "\n".join(lines)
    if "sudo: unable to run" in output and "pyinfra-sudo-askpass" in output:
        return (
            "sudo cannot run the program that pyinfra puts into /tmp for the password (noexec?): set _temp_dir to a "
            "directory there where programs may run, such as that user's home, or allow sudo without a password "
            "(NOPASSWD)"
        )
    if any(words in output for words in _WANTS_PASSWORD):
        return (
            "sudo wants a password: allow sudo without one (NOPASSWD) to the user that noevict logs in as, or set "
            "_sudo_password (its hazard: see README)"
        )
    if "incorrect password attempt" in output or "no password was provided" in output:
        return "sudo rejects the password given as _sudo_password: correct it"
    return ""


# From sudo and from sudo-rs.
_WANTS_PASSWORD = ("sudo: a password is required", "sudo-rs: interactive authentication is required")
