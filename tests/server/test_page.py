"""The page in a real browser, Debian's chromium, over a running `noevict serve` and real servers."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page

from noevict.fleet import records
from tests.lab.browser import chromium
from tests.lab.servers import BINARIES, Running, free_port, wait_for
from tests.server.served_fleet import Service, Site
from tests.server.test_watch import NOW, fill_memory

QUEUES = ["email", "shop:invoices"]
SECONDS = 30_000  # of the browser, for anything
CHANGED = "ERR_NETWORK_CHANGED"  # an interface came or went on this machine, and Chromium starts again
# The names of the hosts, as the page has them now.
NAMES = "[...document.querySelectorAll('#hosts > li h2')].map((each) => each.textContent)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@dataclass
class Watched:
    site: Site
    service: Service
    well: Running


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        site = Site(Path(directory))
        try:
            well = site.start("a-well", BINARIES[0], redis_queues=QUEUES)
            fill_memory(site, site.start("b-full", BINARIES[3]))
            site.add("c-dead", 1)
            site.start("d-well", BINARIES[4], "appendonly yes", "save 3600 1")
            well.redis.rpush("bull:email:wait", *"abc")
            well.redis.zadd("shop:invoices:failed", {"x": 1})
            state = records.locate(site.directory)
            records.write_backup(state, ["d-well"], NOW)
            records.write_drift(state, {"d-well": records.Drift(NOW, "drift", 0)})
            service = Service(site.directory, "--interval", "1")
            yield Watched(site, service, well)
            assert service.end() == 0
            assert "Traceback" not in service.log.read_text()
        finally:
            site.stop()


@pytest.fixture
def context(browser: Browser, watched: Watched, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser's window; what it asks of anybody but the service, or says on its console, fails the test."""
    options: dict[str, Any] = getattr(request, "param", {})
    made = browser.new_context(base_url=watched.service.url, **options)
    made.set_default_timeout(SECONDS)
    strange: list[str] = []
    made.on(
        "request", lambda asked: asked.url.startswith(f"{watched.service.url}/") or strange.append(asked.url)
    )
    made.on("console", lambda printed: CHANGED in printed.text or strange.append(printed.text))
    made.on("weberror", lambda error: strange.append(str(error.error)))
    yield made
    made.close()
    assert strange == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return opened(context)


def opened(context: BrowserContext) -> Page:
    """The page, once it is there."""
    made = context.new_page()

    def there() -> bool:
        try:
            return made.goto("/") is not None
        except Error as error:
            if CHANGED not in error.message:
                raise
            return False

    wait_for("the page is there", there)
    return made


def texts(page: Page, host: str) -> str:
    return page.locator(f"#hosts > li[data-name='{host}']").inner_text()


@pytest.mark.parametrize(
    "context", [{"java_script_enabled": False}, {}], ids=["without JavaScript", "with"], indirect=True
)
def test_the_page_has_all_there_is_to_see_the_worst_first(page: Page) -> None:
    names = page.locator("#hosts > li h2")
    names.nth(3).wait_for()
    assert names.all_inner_texts() == ["c-dead", "b-full", "a-well", "d-well"]
    assert page.locator("h1").inner_text() == "1 unhealthy, 1 degraded, 2 healthy"
    assert page.title() == "1 unhealthy, 1 degraded, 2 healthy · noevict"
    assert "Refuses connections: nothing listens there" in texts(page, "c-dead")
    assert "of maxmemory used" in texts(page, "b-full")
    well = texts(page, "a-well").split("\n")
    for printed in ("healthy", "noeviction", "none lately", "89 days", "none runbook", "not looked for yet"):
        assert printed in well
    queue = page.locator("li[data-name='a-well'] tbody tr")
    assert [row.split() for row in queue.all_inner_texts()] == [
        ["email", "no", "worker", "runbook", "3", "0", "0", "0"],
        ["shop:invoices", "0", "0", "0", "1"],
    ]
    assert "AOF, RDB" in texts(page, "d-well")
    assert page.locator("svg.line").count() == 0  # a few seconds are no history: not even a speck of it
    assert page.locator("#overview > li").all_inner_texts() == [
        "4 hosts",
        "2 not healthy",
        "1 full",
        "3 without backup",
        "next certificate: 89 days, a-well",
        "3 jobs waiting",
    ]
    assert page.locator(".badge").all_inner_texts() == ["stopped", "degraded", "healthy", "healthy"]
    assert page.locator("#rows").count() == 0  # of few hosts there are only cards


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], ids=["no JavaScript"], indirect=True)
def test_without_javascript_the_page_is_read_again_by_itself(page: Page, watched: Watched) -> None:
    watched.well.redis.config_set("maxmemory-policy", "volatile-lru")
    try:
        page.locator("li[data-name='a-well'] .warning", has_text="'volatile-lru'").wait_for()
    finally:
        watched.well.redis.config_set("maxmemory-policy", "noeviction")


def test_a_change_shows_by_itself_and_is_read_out(page: Page, watched: Watched) -> None:
    page.locator("#live", has_text="Live").wait_for()
    watched.well.redis.config_set("maxmemory-policy", "volatile-lru")
    page.locator("li[data-name='a-well'] .warning", has_text="'volatile-lru'").wait_for()
    watched.well.redis.config_set("maxmemory-policy", "noeviction")
    page.locator("li[data-name='a-well'] .warning").wait_for(state="detached")
    before = int(watched.well.redis.config_get("maxmemory")["maxmemory"])
    fill_memory(watched.site, watched.well)
    page.locator("li[data-name='a-well'].degraded").wait_for()
    page.locator("h1", has_text="1 unhealthy, 2 degraded, 1 healthy").wait_for()
    assert page.evaluate(NAMES)[-1] == "d-well"
    printed = page.locator("[role=status]").inner_text()
    assert printed.startswith("a-well is degraded. Memory: ")
    watched.well.redis.config_set("maxmemory", before)
    page.locator("li[data-name='a-well'].healthy").wait_for()
    assert page.title() == "1 unhealthy, 1 degraded, 2 healthy · noevict"
    assert page.locator("[role=status]").inner_text() == "a-well is healthy"


def test_the_keyboard_goes_from_host_to_host_and_keeps_its_place(page: Page) -> None:
    page.locator("#live", has_text="Live").wait_for()
    focused = "document.activeElement.textContent"
    for name in ("To the hosts", "4 hosts", "2 not healthy", "1 full", "3 without backup", "3 jobs waiting"):
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == name
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "search"
    page.evaluate("document.querySelector('.skip').focus()")
    page.keyboard.press("Enter")
    for name in ("c-dead", "runbook", "runbook", "b-full", "runbook", "runbook", "a-well"):
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == name
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    page.evaluate("window.old = document.activeElement")
    wait_for("a newer card is in its place", lambda: page.evaluate("!window.old.isConnected"))
    assert page.evaluate(focused) == "a-well"
    for _ in range(3):
        page.keyboard.press("Shift+Tab")
    assert page.evaluate(focused) == "b-full"
    page.keyboard.press("Enter")
    page.wait_for_url("**/health/redis/b-full")
    assert '"status":"degraded"' in page.content()


def test_a_screen_reader_finds_hosts_by_their_headings_and_figures_in_words(page: Page) -> None:
    page.locator("#live", has_text="Live").wait_for()
    tree = page.locator("body").aria_snapshot()
    for part in (
        'heading "1 unhealthy, 1 degraded, 2 healthy" [level=1]',
        'list "Hosts, the worst first"',
        'navigation "Fleet"',
        'link "2 not healthy"',
        "searchbox",
        'article "a-well"',
        'heading "a-well" [level=2]',
        "% of maxmemory used; the mark is at 90 %",
        'columnheader "wait"',
        'rowheader "shop:invoices"',
        "term: Policy",
        "definition: noeviction",
        "status",
        "main:",
    ):
        assert part in tree, tree
    assert page.locator("html").get_attribute("lang") == "en"


def visible(page: Page, where: str = "#hosts") -> list[str]:
    names = f"[...document.querySelectorAll('{where} > [data-name]')].filter((it) => !it.hidden)"
    found: list[str] = page.evaluate(f"{names}.map((it) => it.dataset.name)")
    return found


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], ids=["no JavaScript"], indirect=True)
def test_without_javascript_each_figure_is_a_link_to_its_hosts(page: Page) -> None:
    page.locator("#overview a", has_text="1 full").click()
    page.wait_for_url("**/?show=full")
    assert page.locator("#hosts > li h2").all_inner_texts() == ["b-full"]
    assert page.locator("#shown").inner_text() == "1 of 4 hosts shown. Show all"
    assert page.locator("[aria-current]").inner_text() == "1 full"
    assert page.locator("h1").inner_text() == "1 unhealthy, 1 degraded, 2 healthy"
    assert not page.locator("#search").is_visible()
    page.locator("#shown a").click()
    assert page.locator("#hosts > li").count() == 4
    page.goto("/?q=WELL")
    assert page.locator("#hosts > li h2").all_inner_texts() == ["a-well", "d-well"]


def test_hosts_are_filtered_and_found_while_the_page_stays_live(page: Page, watched: Watched) -> None:
    page.locator("#live", has_text="Live").wait_for()
    page.locator("#overview a", has_text="not healthy").click()
    assert visible(page) == ["c-dead", "b-full"]
    assert page.url.endswith("/?show=unhealthy")
    page.evaluate("window.old = document.querySelector('#hosts > li:last-child')")
    wait_for("a newer card is in its place", lambda: page.evaluate("!window.old.isConnected"))
    assert visible(page) == ["c-dead", "b-full"]
    page.locator("#search").fill("full 127.0.0.1")
    assert visible(page) == ["b-full"]
    assert page.locator("#shown").inner_text() == "1 of 4 hosts shown. Show all"
    page.reload()
    page.locator("#live", has_text="Live").wait_for()
    assert (visible(page), page.locator("#search").input_value()) == (["b-full"], "full 127.0.0.1")
    page.locator("#shown a").click()
    assert (len(visible(page)), page.locator("#search").input_value()) == (4, "")
    assert page.url == f"{watched.service.url}/"
    page.locator("#search").fill("nowhere")
    assert visible(page) == []
    assert page.locator("#shown").inner_text().startswith("0 of 4 hosts shown.")


def test_a_warning_leads_to_its_runbook(page: Page) -> None:
    page.locator("li[data-name='b-full'] .reason a", has_text="runbook").click()
    page.wait_for_url("**/docs/runbooks/memory#redismemory90")
    heading = page.locator("#redismemory90")
    assert heading.inner_text() == "RedisMemory90"
    wait_for("it is in sight", lambda: heading.evaluate("(it) => it.getBoundingClientRect().top") < 100)
    page.locator("main a").first.click()
    assert page.locator("h1").inner_text() == "Runbooks"
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(FAINT) == []
    page.locator("a", has_text="All hosts").click()
    page.locator("#hosts > li").first.wait_for()
    assert page.request.get("/docs/runbooks/nothing").status == 404
    assert page.request.get("/docs/../pyproject").status == 404


WIDTHS = {"an old phone": 320, "a phone": 390, "a tablet": 820, "a screen": 1280, "a wall": 3840}


@pytest.mark.parametrize(
    "context",
    [{"viewport": {"width": width, "height": 900}} for width in WIDTHS.values()],
    ids=WIDTHS,
    indirect=True,
)
def test_it_fits_from_phone_to_wall(page: Page) -> None:
    page.locator("#live", has_text="Live").wait_for()
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    # Nothing runs out of its card either.
    assert page.evaluate(
        "[...document.querySelectorAll('.host')].every((it) => it.scrollWidth <= it.clientWidth)"
    )
    columns = page.evaluate(
        "new Set([...document.querySelectorAll('.host')].map((it) => it.offsetLeft)).size"
    )
    assert columns == {320: 1, 390: 1, 820: 2, 1280: 3, 3840: 4}[wide[1]]


# Every text whose contrast with what is behind it is below 4.5 : 1, as WCAG 2 counts it.
FAINT = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = channels(colour).map((c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (it) => {
    for (; it; it = it.parentElement) {
      const colour = getComputedStyle(it).backgroundColor;
      if ((channels(colour)[3] ?? 1) === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("body *")]
    .filter((it) => [...it.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && it.offsetParent)
    .map((it) => [it.textContent, light(getComputedStyle(it).color), light(behind(it))])
    .map(([text, one, other]) => [text, (Math.max(one, other) + .05) / (Math.min(one, other) + .05)])
    .filter(([, contrast]) => contrast < 4.5);
}"""


@pytest.mark.parametrize(
    "context", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=["light", "dark"], indirect=True
)
def test_every_text_can_be_read_by_day_and_by_night(page: Page) -> None:
    page.locator("#live", has_text="Live").wait_for()
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(15, 19, 24)" if dark else "rgb(246, 247, 249)")
    assert page.evaluate(FAINT) == []


def test_a_page_that_is_not_live_says_so_and_is_again_when_the_service_is(browser: Browser) -> None:
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        site = Site(Path(directory))
        server = site.start("a", BINARIES[0])
        port = str(free_port())
        service = Service(site.directory, "--interval", "1", "--port", port)
        context = browser.new_context(base_url=service.url)
        context.set_default_timeout(SECONDS)
        page = opened(context)
        page.locator("#live", has_text="Live").wait_for()
        assert service.end() == 0  # though a page is open
        assert "Cancel" not in service.log.read_text()
        page.locator("header p", has_text="Not live").wait_for()
        server.redis.config_set("maxmemory-policy", "allkeys-lru")
        service = Service(site.directory, "--interval", "1", "--port", port)
        page.locator(".warning", has_text="'allkeys-lru'").wait_for()
        page.locator("#live", has_text="Live").wait_for()
        context.close()
        assert service.end() == 0
        site.stop()


def test_a_host_that_is_added_or_removed_comes_and_goes_on_the_page(browser: Browser) -> None:
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        site = Site(Path(directory))
        server = site.start("a", BINARIES[0])
        service = Service(site.directory, "--interval", "1")
        context = browser.new_context(base_url=service.url)
        context.set_default_timeout(SECONDS)
        page = opened(context)
        page.locator("#live", has_text="Live").wait_for()
        site.add("b", server.tls_port)
        page.locator("li[data-name='b'].healthy").wait_for()
        del site.hosts["a"]
        site.add("b", server.tls_port)
        page.locator("li[data-name='a']").wait_for(state="detached")
        assert page.evaluate(NAMES) == ["b"]
        context.close()
        assert service.end() == 0
        site.stop()


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 320), ("dark", 1280), ("light", 2560), ("dark", 3840)]
)  # fmt: skip
def test_of_many_hosts_there_is_a_table_beside_the_cards(browser: Browser, scheme: Any, width: int) -> None:
    with tempfile.TemporaryDirectory(prefix="noevict-") as directory:
        site = Site(Path(directory))
        try:
            site.start("h00", BINARIES[0])
            port = site.servers[0].tls_port
            for number in range(1, 31):
                site.add(f"h{number:02}", port if number % 4 else 1)
            service = Service(site.directory, "--interval", "1")
            context = browser.new_context(
                base_url=service.url, color_scheme=scheme, viewport={"width": width, "height": 900}
            )
            context.set_default_timeout(SECONDS)
            page = opened(context)
            page.locator("#live", has_text="Live").wait_for()
            assert visible(page, "#rows") == visible(page)
            assert len(visible(page)) == 31
            assert visible(page)[:7] == [f"h{number:02}" for number in range(4, 31, 4)]
            wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide[0] <= wide[1]
            pane = page.evaluate("(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])"
                                 "(document.querySelector('.many'))")  # fmt: skip
            assert pane[0] <= pane[1]
            assert page.evaluate(FAINT) == []
            left, right = (page.locator(each).bounding_box() for each in (".many", "#hosts"))
            assert left is not None
            assert right is not None
            assert (right["x"] > left["x"] + left["width"]) == (width > 2000)
            page.locator("#rows a", has_text="h30").click()
            card = page.locator("li[data-name='h30']")
            inside = "(it) => it.getBoundingClientRect().bottom > 0 && it.getBoundingClientRect().top < innerHeight"
            wait_for("it is in sight", lambda: card.evaluate(inside))
            page.locator("#search").fill("h1")
            assert len(visible(page)) == len(visible(page, "#rows")) == 10
            del site.hosts["h30"]
            site.add("h29", port)  # 30 are no longer many
            page.locator("#rows").wait_for(state="detached")
            assert len(visible(page)) == 10
            site.add("h30", port)
            page.locator("#rows > tr").nth(30).wait_for(state="attached")
            assert (len(visible(page)), visible(page, "#rows")) == (10, visible(page))
            context.close()
            assert service.end() == 0
        finally:
            site.stop()


def test_a_policy_forbids_the_page_to_load_anything_from_elsewhere(watched: Watched) -> None:
    answer = watched.service.get("/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    assert "http" not in policy
    for asset in ("page.css", "page.js", "icon.svg"):
        text = watched.service.get(f"/{asset}").text.replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text
    assert watched.service.get("/page.html.j2").code == 404
    assert watched.site.password("health", "a") not in answer.text
