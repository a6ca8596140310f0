"""The keys that pyinfra reads from a host's data, as literals: importing pyinfra takes half a second.

A test keeps them equal to pyinfra's lists, without ``_if`` and ``_retry_until``, which are functions, and ``name``,
which would give every operation the same name.
"""

from collections.abc import Callable, Mapping

from noevict.messages import kind, unquoted

Check = tuple[str, Callable[[object], bool]]


def _one_of(*choices: str) -> Check:
    quoted = [f'"{choice}"' for choice in choices]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}", lambda value: value in choices


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _count(value: object) -> bool:
    return isinstance(value, int) and _number(value)


_TEXT: Check = ("text", lambda value: isinstance(value, str) and value != "")
_FLAG: Check = ("true or false", lambda value: isinstance(value, bool))
_COUNT: Check = ("a whole number", _count)
_SECONDS: Check = ("a number of seconds", _number)
_MAPPING: Check = ("a mapping", lambda value: isinstance(value, dict))
_PORT: Check = ("a port from 1 to 65535", lambda value: _count(value) and value in range(1, 65536))
_CODES: Check = (
    "a list of whole numbers",
    lambda value: isinstance(value, list) and all(_count(code) for code in value),
)

CONNECTOR_KEYS: Mapping[str, Check] = {
    "ssh_hostname": _TEXT,
    "ssh_port": _PORT,
    "ssh_user": _TEXT,
    "ssh_password": _TEXT,
    "ssh_key": _TEXT,
    "ssh_key_password": _TEXT,
    "ssh_allow_agent": _FLAG,
    "ssh_look_for_keys": _FLAG,
    "ssh_forward_agent": _FLAG,
    "ssh_config_file": _TEXT,
    "ssh_known_hosts_file": _TEXT,
    "ssh_strict_host_key_checking": _one_of("yes", "no", "off", "ask", "accept-new"),
    "ssh_paramiko_connect_kwargs": _MAPPING,
    "ssh_connect_retries": _COUNT,
    "ssh_connect_retry_min_delay": _SECONDS,
    "ssh_connect_retry_max_delay": _SECONDS,
    "ssh_file_transfer_protocol": _one_of("sftp", "scp"),
}
ARGUMENTS: Mapping[str, Check] = {
    "_sudo": _FLAG,
    "_sudo_user": _TEXT,
    "_use_sudo_login": _FLAG,
    "_sudo_password": _TEXT,
    "_preserve_sudo_env": _FLAG,
    "_su_user": _TEXT,
    "_use_su_login": _FLAG,
    "_preserve_su_env": _FLAG,
    "_su_shell": _TEXT,
    "_su_password": _TEXT,
    "_doas": _FLAG,
    "_doas_user": _TEXT,
    "_dzdo": _FLAG,
    "_dzdo_user": _TEXT,
    "_shell_executable": _TEXT,
    "_chdir": _TEXT,
    "_env": _MAPPING,
    "_success_exit_codes": _CODES,
    "_timeout": _COUNT,
    "_get_pty": _FLAG,
    "_stdin": _TEXT,
    "_retries": _COUNT,
    "_retry_delay": _SECONDS,
    "_temp_dir": _TEXT,
    "_ignore_errors": _FLAG,
    "_continue_on_error": _FLAG,
    "_parallel": _COUNT,
    "_run_once": _FLAG,
    "_serial": _FLAG,
}
KEYS: Mapping[str, Check] = {**CONNECTOR_KEYS, **ARGUMENTS}


def key_problem(key: str, value: object) -> str | None:
    """Return what a known key's value should be; None if it is. Callers add ``kind`` of the value."""
    should, check = KEYS[key]
    if check(value):
        return None
    if (plain := unquoted(value)) is not None and check(plain):
        return f"{should} (without quotes)"
    wants_text = should == "text" or should.startswith('"')
    return f"{should} (in quotes)" if wants_text and kind(value) != "text" and value is not None else should
