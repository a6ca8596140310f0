"""The HTTP service: programs ask it whether hosts are well. It answers from memory, and never waits for a dead host."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from noevict.watch import metrics
from noevict.watch.answers import HTTP_STATUS, fleet_answer, host_answer, worst
from noevict.watch.fleet import Fleet

NOT_STORED = {"Cache-Control": "no-store"}


class Service:
    """The answers to requests about a fleet."""

    def __init__(self, fleet: Fleet, version: str) -> None:
        self.fleet = fleet
        self._metrics = metrics.registry(fleet.views, version)

    async def redis(self, request: Request) -> Response:
        """All hosts, or the only one."""
        del request
        await self.fleet.refresh(self.fleet.hosts)
        views = self.fleet.views()
        answer = host_answer(views[0]) if len(views) == 1 else fleet_answer(views)
        return JSONResponse(answer, HTTP_STATUS[worst(views)], NOT_STORED)

    async def redis_of(self, request: Request) -> Response:
        """One host."""
        name = request.path_params["host"]
        if name not in self.fleet.hosts:
            return JSONResponse({"error": "no host of that name in hosts.yml"}, 404, NOT_STORED)
        await self.fleet.refresh([name])
        view = self.fleet.view(name)
        return JSONResponse(host_answer(view), HTTP_STATUS[view.health.status], NOT_STORED)

    async def livez(self, request: Request) -> Response:
        """That this process answers."""
        del request
        return PlainTextResponse("ok\n", headers=NOT_STORED)

    async def readyz(self, request: Request) -> Response:
        """That what it answers is of now."""
        del request
        late = self.fleet.late
        if late:
            return PlainTextResponse(f"not asked lately: {', '.join(late)}\n", 503, NOT_STORED)
        return PlainTextResponse("ok\n", headers=NOT_STORED)

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        del request
        return Response(generate_latest(self._metrics), media_type=CONTENT_TYPE_LATEST)


def application(fleet: Fleet, version: str) -> Starlette:
    """The ASGI app. It begins to ask the hosts when it starts, and answers once each was asked."""
    service = Service(fleet, version)

    @asynccontextmanager
    async def asking(app: Starlette) -> AsyncIterator[None]:
        del app
        await fleet.first_look()
        task = asyncio.create_task(fleet.run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        fleet.close()

    routes: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
        ("/health/redis", service.redis),
        ("/health/redis/{host:path}", service.redis_of),
        ("/livez", service.livez),
        ("/readyz", service.readyz),
        ("/metrics", service.metrics),
    ]
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in routes], lifespan=asking)
