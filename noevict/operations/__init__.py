"""The changes, as pyinfra operations: each makes its part of a host's plan, and none looks at the host itself.

The exporter's operations are in ``noevict.operations.exporter``: deploy.py does not need them.
"""

from noevict.operations.certificate import renew_certificate
from noevict.operations.check import refuse_host, verify_host
from noevict.operations.data.directories import prepare_data
from noevict.operations.engine import change_engine
from noevict.operations.files import fix_permissions, test_configuration, write_files
from noevict.operations.live import set_live
from noevict.operations.lock import lock_host
from noevict.operations.packages import install_server, prepare_packages
from noevict.operations.service import enable_service, restart_server, start_server
from noevict.operations.uninstall import stop_managing

__all__ = [
    "change_engine",
    "enable_service",
    "fix_permissions",
    "install_server",
    "lock_host",
    "prepare_data",
    "prepare_packages",
    "refuse_host",
    "renew_certificate",
    "restart_server",
    "set_live",
    "start_server",
    "stop_managing",
    "test_configuration",
    "verify_host",
    "write_files",
]
