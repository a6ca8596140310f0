// Keeps the page as it is now. Without it the page is read again every ten seconds.
"use strict";

const byId = (id) => document.getElementById(id);
const list = byId("hosts");

// The card that has the focus, and which of its links: a new card in its place gets it again.
function focused() {
  const active = document.activeElement;
  const card = active.closest("#hosts > li");
  return card && { id: card.id, number: [...card.querySelectorAll("a")].indexOf(active) };
}

function replace(id, html, changes) {
  const made = document.createElement("template");
  made.innerHTML = html;
  const card = made.content.firstElementChild;
  const old = byId(id);
  if (!old) {
    list.append(card);
    return;
  }
  if (old.dataset.status !== card.dataset.status) {
    const reasons = [...card.querySelectorAll(".reason")].map((each) => each.textContent);
    changes.push([`${card.dataset.name} is ${card.dataset.status}`, ...reasons].join(". "));
  }
  old.replaceWith(card);
}

function take(news) {
  const focus = focused();
  const changes = [];
  for (const [id, html] of Object.entries(news.cards)) {
    replace(id, html, changes);
  }
  for (const card of [...list.children].filter((each) => !news.order.includes(each.id))) {
    card.remove();
  }
  news.order.forEach((id, place) => {
    if (list.children[place] !== byId(id)) {
      list.insertBefore(byId(id), list.children[place]);
    }
  });
  if (focus) {
    byId(focus.id)?.querySelectorAll("a")[focus.number]?.focus({ preventScroll: true });
  }
  byId("summary").textContent = news.summary;
  byId("summary").className = news.mood;
  byId("at").textContent = news.at;
  document.title = `${news.summary} · noevict`;
  if (changes.length) {
    byId("said").textContent = changes.join(". "); // read out by screen readers, and only this
  }
}

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
