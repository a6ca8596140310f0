"""The server's certificate: the host makes the key, and the fleet's CA signs it."""

from noevict.pki import authority
from noevict.platforms.systemd import steps
from noevict.run.host_operation import host_operation
from noevict.run.instance import InstanceRun
from noevict.scripts import packed, script
from noevict.ssh.shell import SYNC_SECONDS


@host_operation
def renew_certificate(run: InstanceRun) -> None:
    """Replace a certificate that is missing, ends soon or is not as wanted, and load it without a restart.

    Each certificate has a new key, so that a leaked key ends with its certificate.
    """
    target, layout = run.plan.target, run.layout
    own = run.context.own_certificate(run.settings)
    request = script("user", user=layout.user, data=layout.data) + script(
        "request", user=layout.user, etc=layout.etc, makes_key="yes" if own is None else "no"
    )
    directory, *lines = run.machine.shell(request, what="making a key")
    if own is not None:
        certificate, key = own.chain, own.key
    else:
        pem = "\n".join(lines) + "\n"
        certificate, key = (
            authority.sign_request(run.context.secrets.ca, pem, target.names, run.context.now),
            "",
        )
    run.machine.shell(
        script(
            "install_certificate",
            user=layout.user,
            etc=layout.etc,
            tls=layout.tls,
            new=directory,
            certificate=packed(certificate),
            ca=packed(target.ca),
            key=packed(key) if key else "",
        ),
        seconds=SYNC_SECONDS,
        what="placing the certificate",
    )
    if steps.loads_certificate(run.found):
        # Setting the same path again makes the server read all its TLS files again; connections stay open.
        run.client.config_set("tls-cert-file", f"{layout.tls}/server.crt")
