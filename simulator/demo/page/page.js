"use strict";

const WORDS = {
  "go-now": "GO NOW",
  "check": "CHECK",
  "no-data": "NO DATA",
  "monitored": "MONITORED",
};
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const LIVE = new Set(["initiated", "ringing", "in-progress"]);

const byId = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "data") Object.assign(made.dataset, value);
    else if (key === "aria") made.setAttribute("aria-label", value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

function time(iso) {
  return new Date(iso).toLocaleTimeString([], { hour12: false });
}

/** Replaces the children of `node` only when what they show has changed, so nothing loses focus. */
const shown = new WeakMap();
function show(node, model, build) {
  const text = JSON.stringify(model);
  if (shown.get(node) === text) return;
  shown.set(node, text);
  node.replaceChildren(...build());
}

function homeCard(home, alerts) {
  const open = alerts.filter((alert) => alert.home === home.key && alert.active);
  const worst = open.find((alert) => alert.priority === "PH") || open[0];
  let why = worst ? worst.text : "";
  if (!why && home.state === "no-data") {
    why = home.since ? `no data since ${time(home.since)}` : "no data yet";
  } else if (!why && home.own_limit) {
    why = `own systolic limit ${home.own_limit}`;
  }
  const values = home.values.flatMap((value) => [
    element("dt", { textContent: value.label }),
    element(
      "dd",
      { className: value.stale ? "stale" : "" },
      value.value,
      element("small", { textContent: ` ${value.unit}${value.stale ? " (old)" : ""}` }),
    ),
  ]);
  return element(
    "article",
    { className: "home", data: { state: home.state } },
    element("h3", { textContent: `${home.key.toUpperCase()}  ${home.name}` }),
    element("p", { className: "word", textContent: WORDS[home.state] }),
    element("p", { className: "why", textContent: why }),
    element("dl", {}, ...values),
  );
}

function alertCard(alert) {
  const told = alert.told.map((one) =>
    element("li", {
      textContent: `${one.who}, by ${one.channel} at ${time(one.at)}: ${one.status}`,
    }),
  );
  return element(
    "article",
    { className: "alert", data: { priority: alert.priority, active: String(alert.active) } },
    element("h3", { textContent: `${alert.priority}  ${alert.name}: ${alert.text}` }),
    element("p", {
      textContent: `${alert.active ? "open" : "closed"}, since ${time(alert.start)}`,
    }),
    element("p", { textContent: alert.evidence ? `Reading: ${alert.evidence}` : "" }),
    element("p", { className: "rule", textContent: alert.rule ? `Rule: ${alert.rule}` : "" }),
    told.length
      ? element("ul", {}, ...told)
      : element("p", { className: "rule", textContent: "Nobody has been told yet." }),
  );
}

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) byId("announcer").textContent = "That was not possible.";
  await refresh();
}

function callPanel(phone, call) {
  const base = `/api/phones/${encodeURIComponent(phone.number)}/calls/${call.sid}`;
  const panel = element("div", { className: "call" });
  if (call.status !== "in-progress") {
    panel.append(
      element("p", { className: "ringing", textContent: "The phone rings" }),
      element(
        "div",
        { className: "keys" },
        element("button", {
          className: "pick",
          textContent: "Answer",
          aria: `Answer the call to ${phone.name}`,
          onclick: () => post(`${base}/answer`, {}),
        }),
        element("button", { textContent: "Refuse", onclick: () => post(`${base}/hangup`, {}) }),
      ),
    );
    return panel;
  }
  panel.append(
    ...call.said.map((text) => element("p", { textContent: `"${text}"` })),
    element(
      "div",
      { className: "keys", role: "group", ariaLabel: `Keypad of ${phone.name}` },
      ...KEYS.map((key) =>
        element("button", { textContent: key, onclick: () => post(`${base}/digits`, { digits: key }) }),
      ),
      element("button", { textContent: "Hang up", onclick: () => post(`${base}/hangup`, {}) }),
    ),
  );
  return panel;
}

const phoneNodes = new Map();

function phoneCard(phone) {
  if (phoneNodes.has(phone.number)) return phoneNodes.get(phone.number);
  const input = element("input", {
    name: "body",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: false,
    placeholder: "for example 7Q2Kh",
    aria: `Text from ${phone.name}`,
  });
  const form = element("form", {}, input, element("button", { textContent: "Send" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = input.value.trim();
    if (!body) return;
    input.value = "";
    post(`/api/phones/${encodeURIComponent(phone.number)}/messages`, { body });
  });
  const thread = element("ol", { className: "thread", tabIndex: 0, aria: `Messages of ${phone.name}` });
  const calls = element("div");
  const card = element(
    "article",
    { className: "phone" },
    element(
      "header",
      {},
      element("h3", { textContent: phone.name || phone.number }),
      element("span", { textContent: phone.number }),
    ),
    thread,
    form,
    calls,
  );
  const made = { card, thread, calls };
  phoneNodes.set(phone.number, made);
  return made;
}

function showPhones(phones) {
  const holder = byId("phones");
  for (const phone of phones) {
    const { card, thread, calls } = phoneCard(phone);
    if (card.parentNode !== holder) holder.append(card);
    const live = phone.calls.filter((call) => LIVE.has(call.status));
    card.dataset.ringing = String(live.some((call) => call.status !== "in-progress"));
    const before = shown.get(thread);
    show(thread, phone.messages, () =>
      phone.messages.slice(-30).map((message) =>
        element(
          "li",
          { className: message.incoming ? "" : "mine" },
          element("time", { textContent: time(message.at) }),
          message.body,
        ),
      ),
    );
    if (before !== shown.get(thread)) thread.scrollTop = thread.scrollHeight;
    show(calls, live, () => live.map((call) => callPanel(phone, call)));
  }
}

let announced = new Map();

function announce(alerts) {
  for (const alert of alerts) {
    const key = `${alert.priority}${alert.active}`;
    if (announced.get(alert.id) !== key && alert.active) {
      byId("announcer").textContent = `${alert.priority} alert, ${alert.name}: ${alert.text}`;
    }
    announced.set(alert.id, key);
  }
}

async function refresh() {
  const lost = byId("lost");
  let state;
  try {
    const answer = await fetch("/api/state");
    if (!answer.ok) throw new Error(String(answer.status));
    state = await answer.json();
  } catch (error) {
    lost.textContent = "The demonstration does not answer. What you see is old.";
    lost.hidden = false;
    return;
  }
  lost.hidden = true;
  byId("clock").textContent = time(state.now);
  const homes = state.homes.map((home) => ({
    ...home,
    values: home.values.map(({ age_s: _age, ...value }) => value),
    since: home.state === "no-data" ? home.since : null,
  }));
  show(byId("homes"), [homes, state.alerts.map((a) => [a.id, a.active, a.priority])], () =>
    homes.map((home) => homeCard(home, state.alerts)),
  );
  show(byId("alerts"), state.alerts, () =>
    state.alerts.length
      ? state.alerts.map(alertCard)
      : [element("p", { className: "empty", textContent: "No alert yet." })],
  );
  const story = [...state.story].reverse();
  show(byId("story"), story, () =>
    story.map((line) =>
      element(
        "li",
        { data: { kind: line.kind } },
        element("time", { textContent: time(line.at) }),
        element("b", { textContent: line.name }),
        line.text,
      ),
    ),
  );
  showPhones(state.phones);
  announce(state.alerts);
}

refresh();
setInterval(refresh, 1000);
