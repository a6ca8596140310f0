"""The page in a real browser, Debian's chromium, over a running `noevict serve` and real servers."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page

from noevict.watch import records
from tests.lab.browser import chromium
from tests.lab.servers import BINARIES, Running, free_port, wait_for
from tests.server.test_watch import NOW, fill_memory
from tests.server.watched import Service, Site

QUEUES = ["email", "shop:invoices"]
SECONDS = 30_000  # of the browser, for anything
CHANGED = "ERR_NETWORK_CHANGED"  # an interface came or went on this machine, and Chromium begins anew
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
    made.on("console", lambda said: CHANGED in said.text or strange.append(said.text))
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
    for said in ("healthy", "noeviction", "none lately", "89 days", "none on record", "not looked for yet"):
        assert said in well
    queue = page.locator("li[data-name='a-well'] tbody tr")
    assert [row.split() for row in queue.all_inner_texts()] == [
        ["email", "no", "worker", "3", "0", "0", "0"],
        ["shop:invoices", "0", "0", "0", "1"],
    ]
    assert "AOF + RDB" in texts(page, "d-well")
    assert page.locator("li[data-name='a-well'] svg.line path[d^=M]").count() >= 3


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
    said = page.locator("[role=status]").inner_text()
    assert said.startswith("a-well is degraded. Memory: ")
    watched.well.redis.config_set("maxmemory", before)
    page.locator("li[data-name='a-well'].healthy").wait_for()
    assert page.title() == "1 unhealthy, 1 degraded, 2 healthy · noevict"
    assert page.locator("[role=status]").inner_text() == "a-well is healthy"


def test_the_keyboard_goes_from_host_to_host_and_keeps_its_place(page: Page) -> None:
    page.locator("#live", has_text="Live").wait_for()
    focused = "document.activeElement.textContent"
    for name in ("c-dead", "b-full", "a-well"):
        page.keyboard.press("Tab")
        assert page.evaluate(focused) == name
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    page.evaluate("window.old = document.activeElement")
    wait_for("a newer card is in its place", lambda: page.evaluate("!window.old.isConnected"))
    assert page.evaluate(focused) == "a-well"
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


def test_the_page_is_told_in_a_policy_to_load_nothing_from_elsewhere(watched: Watched) -> None:
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
