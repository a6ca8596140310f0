// Keeps the page as it is now, and shows the hosts that are wanted. Without it the page is read again every ten
// seconds, and the figures above the hosts are links.
"use strict";

const byId = (id) => document.getElementById(id);
const list = byId("hosts");
const rows = byId("rows"); // of many hosts only
const search = byId("search");
const members = () => [...list.children, ...(rows ? rows.children : [])];

// What has the focus: the element with an id that it is in, and which of its links.
function focused() {
  const active = document.activeElement;
  const within = active.closest("#hosts > li, #rows > tr, #overview");
  return within && { id: within.id, number: [...within.querySelectorAll("a")].indexOf(active) };
}

function replace(id, html, changes) {
  const made = document.createElement("template");
  made.innerHTML = html;
  const now = made.content.firstElementChild;
  const old = byId(id);
  if (!old) {
    (now.matches("tr") ? rows : list).append(now);
    return;
  }
  if (now.matches("li") && old.dataset.status !== now.dataset.status) {
    const reasons = [...now.querySelectorAll(".reason")].map((each) => each.firstChild.textContent.trim());
    changes.push([`${now.dataset.name} is ${now.dataset.status}`, ...reasons].join(". "));
  }
  old.replaceWith(now);
}

function arrange(parent, ids) {
  for (const gone of [...parent.children].filter((each) => !ids.includes(each.id))) {
    gone.remove();
  }
  ids.forEach((id, place) => {
    if (parent.children[place] !== byId(id)) {
      parent.insertBefore(byId(id), parent.children[place]);
    }
  });
}

function take(news) {
  if (news.dense !== Boolean(rows)) {
    location.reload(); // more hosts than fit into cards, or no longer
    return;
  }
  const focus = focused();
  const changes = [];
  for (const [id, html] of Object.entries(news.changed)) {
    replace(id, html, changes);
  }
  arrange(list, news.order);
  if (rows) {
    arrange(rows, news.order.map((id) => `row-${id}`));
  }
  filter();
  if (focus) {
    byId(focus.id)?.querySelectorAll("a")[focus.number]?.focus({ preventScroll: true });
  }
  byId("summary").textContent = news.summary;
  byId("summary").className = news.mood;
  byId("at").textContent = news.at;
  document.title = `${news.summary} · noevict`;
  if (changes.length) {
    byId("announced").textContent = changes.join(". "); // read out by screen readers, and only this
  }
}

// The address says which hosts are wanted (?show=full&q=cache), as the service does that sent the page.
function filter() {
  const wanted = new URLSearchParams(location.search);
  const show = wanted.get("show") || "all";
  const words = (wanted.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
  for (const each of members()) {
    const tags = each.dataset.tags.split(" ");
    each.hidden = !((show === "all" || tags.includes(show)) && words.every((word) => each.dataset.names.includes(word)));
  }
  for (const link of document.querySelectorAll("#overview a")) {
    link.toggleAttribute("aria-current", link.dataset.show === show);
    if (link.dataset.show === show) {
      link.setAttribute("aria-current", "true");
    }
  }
  const seen = [...list.children].filter((each) => !each.hidden).length;
  const shown = byId("shown");
  shown.hidden = show === "all" && !words.length;
  shown.firstChild.textContent = `${seen} of ${list.children.length} hosts shown. `;
}

function want(changes) {
  const wanted = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) {
      wanted.set(name, value);
    } else {
      wanted.delete(name);
    }
  }
  history.replaceState(null, "", String(wanted) ? `?${wanted}` : location.pathname);
  filter();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("#overview a, #shown a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) {
    return;
  }
  event.preventDefault();
  if (link.closest("#shown")) {
    search.value = "";
    want({ show: "", q: "" });
    search.focus();
  } else {
    want({ show: link.dataset.show === "all" ? "" : link.dataset.show });
  }
});
search.addEventListener("input", () => want({ q: search.value.trim() }));
byId("find").hidden = false;

function live(is) {
  byId("live").textContent = is ? "Live," : "Not live: noevict serve does not answer. As of";
  document.body.classList.toggle("lost", !is);
}

function listen() {
  const events = new EventSource("events");
  events.onopen = () => live(true);
  events.onerror = () => {
    live(false);
    if (events.readyState === EventSource.CLOSED) {
      setTimeout(listen, 10000); // refused, as with very many pages open: a browser does not try that again
    }
  };
  events.onmessage = (event) => take(JSON.parse(event.data));
}

listen();
