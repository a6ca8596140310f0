"""The HTTP service that reports whether hosts are well. It answers from memory, and never waits for a dead host."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from noevict.monitor.asking.fleet import Monitor
from noevict.monitor.health import runbooks
from noevict.monitor.web import metrics
from noevict.monitor.web.answers import HTTP_STATUS, fleet_answer, host_answer, worst
from noevict.monitor.web.html import ASSETS, HERE, POLICY, Page, render_runbook
from noevict.monitor.web.overview import ALL, Filter

NOT_STORED = {"Cache-Control": "no-store"}
GUARDED = {**NOT_STORED, "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
AT_ONCE = {**NOT_STORED, "X-Accel-Buffering": "no"}  # through nginx too
GATHERED = 1.0  # seconds of news that are sent at once
MOST_STREAMS = 32  # pages that are kept up to date: each takes about 0.7 % of a core


class EventStream(StreamingResponse):
    """Server-sent events, for MOST_STREAMS at once; a further one is refused, and may come again.

    ``under_way``: the streams that are sent now.
    """

    def __init__(self, news: AsyncIterator[str], under_way: set[object]) -> None:
        super().__init__(news, media_type="text/event-stream", headers=AT_ONCE)
        self._under_way = under_way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(self._under_way) >= MOST_STREAMS:
            text = f"{MOST_STREAMS} pages are kept up to date already\n"
            await PlainTextResponse(text, 503, {**NOT_STORED, "Retry-After": "10"})(scope, receive, send)
            return
        self._under_way.add(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._under_way.discard(self)


class HealthService:
    """Answers requests about a fleet."""

    def __init__(self, fleet: Monitor, version: str) -> None:
        self.fleet = fleet
        self._metrics = metrics.registry(fleet.views, version)
        self._version, self._page = version, Page(fleet, version)
        self._streams: set[object] = set()

    async def page(self, request: Request) -> Response:
        """Answer with the page for people: all hosts, or the hosts that ``?show=TAG&q=TEXT`` selects."""
        asked = request.query_params
        return HTMLResponse(
            self._page.document(Filter(asked.get("show", ALL), asked.get("q", ""))), headers=GUARDED
        )

    async def runbook(self, request: Request) -> Response:
        """Answer with the runbook that a warning on the page links to if redis_runbooks is not a URL."""
        name = request.path_params["name"]
        if name not in runbooks.names():
            return PlainTextResponse("no such page\n", 404, NOT_STORED)
        return HTMLResponse(render_runbook(name, self._version), headers=GUARDED)

    async def asset(self, request: Request) -> Response:
        """Answer with a file of the page."""
        name = request.url.path.rpartition("/")[2].replace("favicon.ico", "icon.svg")  # asked for beside JSON
        return Response((HERE / name).read_bytes(), media_type=ASSETS[name], headers=NOT_STORED)

    async def events(self, request: Request) -> Response:
        """Send an open page what is new, as server-sent events; the first one has everything."""
        del request
        return EventStream(self._news(), self._streams)

    async def _news(self) -> AsyncIterator[str]:
        sent: dict[str, str] = {}
        while not self.fleet.ended.is_set():
            yield f"data: {self._page.news(sent)}\n\n"
            try:
                await asyncio.wait_for(self.fleet.ended.wait(), GATHERED)
            except TimeoutError:
                await self.fleet.news()

    async def redis(self, request: Request) -> Response:
        """Answer for all hosts, or for the only one."""
        del request
        await self.fleet.refresh(self.fleet.hosts)
        views = self.fleet.views()
        answer = host_answer(views[0]) if len(views) == 1 else fleet_answer(views)
        return JSONResponse(answer, HTTP_STATUS[worst(views)], NOT_STORED)

    async def redis_of(self, request: Request) -> Response:
        """Answer for one host."""
        name = request.path_params["host"]
        if name not in self.fleet.hosts:
            return JSONResponse({"error": "no host of that name in hosts.yml"}, 404, NOT_STORED)
        await self.fleet.refresh([name])
        view = self.fleet.view(name)
        return JSONResponse(host_answer(view), HTTP_STATUS[view.health.status], NOT_STORED)

    async def livez(self, request: Request) -> Response:
        """Answer whether this process works: it answers, and asks the hosts."""
        del request
        if failure := self.fleet.failure:
            return PlainTextResponse(f"{failure}\n", 503, NOT_STORED)
        return PlainTextResponse("ok\n", headers=NOT_STORED)

    async def readyz(self, request: Request) -> Response:
        """Answer whether the answers are current."""
        del request
        late = self.fleet.late
        if late:
            return PlainTextResponse(f"not asked lately: {', '.join(late)}\n", 503, NOT_STORED)
        return PlainTextResponse("ok\n", headers=NOT_STORED)

    async def metrics(self, request: Request) -> Response:
        """Answer Prometheus."""
        del request
        return Response(generate_latest(self._metrics), media_type=CONTENT_TYPE_LATEST)


def application(fleet: Monitor, version: str) -> Starlette:
    """Return the ASGI app. It asks the hosts once it starts, and answers once each was asked."""
    service = HealthService(fleet, version)

    @asynccontextmanager
    async def asking(app: Starlette) -> AsyncIterator[None]:
        del app
        await fleet.first_look()
        task = asyncio.create_task(fleet.run())
        task.add_done_callback(fleet.polling_ended)
        yield
        task.cancel()
        await asyncio.wait([task])
        fleet.close()

    routes: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
        ("/", service.page),
        *((f"/{name}", service.asset) for name in (*ASSETS, "favicon.ico")),
        ("/events", service.events),
        ("/docs/{name:path}", service.runbook),
        ("/health/redis", service.redis),
        ("/health/redis/{host:path}", service.redis_of),
        ("/livez", service.livez),
        ("/readyz", service.readyz),
        ("/metrics", service.metrics),
    ]
    return Starlette(routes=[Route(path, endpoint) for path, endpoint in routes], lifespan=asking)
