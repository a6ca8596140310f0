"""The server's certificate: the host makes the key, the fleet's CA signs."""

from noevict import pki
from noevict.changes import How
from noevict.operations.step import step
from noevict.run import HostRun
from noevict.scripts import packed, script
from noevict.shell import SYNC_SECONDS

BROKEN_KEY = ("does not match its key", "has no key")


@step
def renew_certificate(run: HostRun) -> None:
    """A certificate in place of one that is missing, ends soon or is not as wanted; loaded without a restart."""
    target, engine = run.plan.target, run.engine
    own = run.fleet.own_certificate(run.settings)
    if own is not None:
        certificate, key = own.chain, own.key
        run.shell(_request(run, fresh=False), what="making the TLS directory")
    else:
        fresh = any(
            change.found in BROKEN_KEY or change.what == f"{engine.tls}/server.key"
            for change in run.plan.due(How.CERTIFICATE)
        )
        said = run.shell(_request(run, fresh=fresh), what="openssl")
        request = "\n".join(said[said.index("-----BEGIN CERTIFICATE REQUEST-----") :]) + "\n"
        certificate, key = pki.sign_request(run.fleet.secrets.ca, request, target.names, run.fleet.now), ""
    run.shell(
        script(
            "certify",
            user=engine.user,
            tls=engine.tls,
            certificate=packed(certificate),
            ca=packed(target.ca),
            key=packed(key) if key else "",
        ),
        seconds=SYNC_SECONDS,
        what="placing the certificate",
    )
    if run.found.live.user == "admin" and run.found.live.config.get("tls-cert-file"):
        # Setting the path it has makes the server read all its TLS files again; connections stay.
        run.client.config_set("tls-cert-file", f"{engine.tls}/server.crt")


def _request(run: HostRun, *, fresh: bool) -> str:
    engine = run.engine
    return script("user", user=engine.user, data=engine.data) + script(
        "request",
        user=engine.user,
        etc=engine.etc,
        tls=engine.tls,
        fresh="yes" if fresh else "no",
    )
