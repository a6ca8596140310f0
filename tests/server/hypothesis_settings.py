"""How hypothesis tries things on real servers: a fixed few in `make test`, very many others in `make test-long`."""

from hypothesis import HealthCheck, Phase, settings

FEW = settings(
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.generate],  # an example starts a server: hundreds to find a smaller one would take minutes
)
MANY = settings(FEW, derandomize=False)
