// Archives, watches and refused callers: how the exchange with each is.
import { ask, part } from "../api.js";
import { byId, el, icon, setText, toast } from "../dom.js";
import { many } from "../words.js";
import { time } from "./fetches.js";

function badge(kind, drawing, text) {
  return el("span", { class: `badge ${kind}` }, icon(drawing), text);
}

function counts(open, failed, one) {
  if (!open && !failed) return null;
  return el("div", {}, open ? `${open} ${one} open` : "", open && failed ? ", " : "", failed ? el("b", { class: "failed", text: `${failed} failed` }) : "", failed && !open ? ` (${one})` : "");
}

export class Peers {
  constructor(changed) {
    this.changed = changed;
    this.shown = {};
  }

  show(pacs) {
    setText(byId("receiver"), pacs.receiver ? `We are ${pacs.receiver}` : "");
    byId("peers-empty").hidden = pacs.peers.length > 0;
    byId("peers-table").hidden = !pacs.peers.length;
    byId("watches-card").hidden = !pacs.watches.length;
    byId("refused-card").hidden = !pacs.refused.length;
    this.fill("peers-body", pacs.peers, (peer) => this.peer(peer, pacs.running));
    this.fill("watches-body", pacs.watches, watchRow);
    byId("sends-card").hidden = !pacs.sends.length;
    this.fill("sends-body", pacs.sends, (send) => this.send(send));
    byId("received-card").hidden = !pacs.received.length;
    this.fill("received-body", pacs.received, receivedRow);
    this.fill("refused-body", pacs.refused, refusedRow);
  }

  /** Draw rows again only when something has changed, so that focus and selection stay. */
  fill(id, list, draw) {
    const now = JSON.stringify(list);
    if (this.shown[id] === now) return;
    this.shown[id] = now;
    byId(id).replaceChildren(...list.map(draw));
  }

  send(send) {
    const [kind, drawing, title] = SENDS[send.state];
    const again = el("button", { type: "button", class: "button small", text: "Send again", "aria-label": `Send again ${send.label} to ${send.peer}`,
      onclick: async () => {
        again.disabled = true;
        try {
          await ask("POST", `api/v1/pacs/sends/${send.id}/again`);
          toast(`${send.label} is sent to ${send.peer} again.`);
        } catch (error) {
          again.disabled = false;
          toast(error.message, "bad", error.hint);
        }
        this.changed();
      } });
    return el("tr", {},
      el("th", { scope: "row" }, send.label, el("span", { class: "sub", text: `to ${send.peer}` })),
      el("td", { class: "state" }, el("div", { class: "state-line" }, badge(kind, drawing, title),
        el("span", { class: "soft small", text: send.tries ? `tried ${many(send.tries, "time")}` : "" })),
        send.note ? el("div", { class: "reason", text: send.note }) : null),
      el("td", { class: "when", text: time(send.since) }),
      el("td", { class: "tools" }, send.state === "failed" ? el("div", {}, again) : null));
  }

  peer(peer, running) {
    const asked = el("button", { type: "button", class: "button small", text: "Ask now", "aria-label": `Ask now whether ${peer.name} answers`, disabled: !running,
      onclick: async () => {
        asked.disabled = true;
        try {
          const answer = await (await ask("POST", `api/v1/pacs/peers/${part(peer.name)}/echo`)).json();
          toast(answer.answers ? `${peer.name} answers.` : answer.note, answer.answers ? "good" : "bad");
        } catch (error) {
          toast(error.message, "bad", error.hint);
        }
        asked.disabled = false;
        this.changed();
      } });
    const state = peer.echo === null ? badge("", "clock", "Not asked yet") : peer.answers ? badge("done", "check", "Answers") : badge("bad", "alert", "Away");
    const open = [counts(peer.fetches_open, peer.fetches_failed, "fetches"), counts(peer.sends_open, peer.sends_failed, "sends")].filter(Boolean);
    return el("tr", {},
      el("th", { scope: "row" }, peer.name, el("span", { class: "sub", text: peer.where })),
      el("td", {}, state, el("span", { class: "sub", text: peer.echo === null ? "" : time(peer.echo) }), peer.note ? el("div", { class: "reason", text: peer.note }) : null),
      el("td", {}, el("div", { text: peer.received === null ? "nothing received" : `received ${time(peer.received)}` }), el("div", { text: peer.sent === null ? "nothing sent" : `sent ${time(peer.sent)}` })),
      el("td", {}, ...(open.length ? open : [el("span", { class: "soft", text: "nothing open" })])),
      el("td", { class: "tools" }, el("div", {}, asked)));
  }
}

function watchRow(watch) {
  const last = watch.at === null ? badge("", "clock", "Not yet") : watch.ok ? badge("done", "check", time(watch.at)) : badge("bad", "alert", time(watch.at));
  return el("tr", {},
    el("th", { scope: "row" }, watch.name, el("span", { class: "sub", text: `${watch.peer}, every ${many(watch.every_minutes, "minute")}` })),
    el("td", {}, last, watch.note ? el("div", { class: "reason", text: watch.note }) : null),
    el("td", { text: watch.at === null || !watch.ok ? "" : `${watch.found} match, ${watch.waiting} not fetched yet` }));
}

const SENDS = {
  waiting: ["", "clock", "Waits"],
  sending: ["run", "upload", "Sending"],
  failed: ["bad", "alert", "Given up"],
};

const RECEIVED = {
  coming: ["run", "download", "Coming in"],
  waiting: ["", "clock", "Waits"],
  done: ["done", "check", "Handed over"],
  "left out": ["warn", "alert", "Not taken"],
};

function receivedRow(one) {
  return el("tr", {},
    el("th", { scope: "row" }, one.calling, el("span", { class: "sub", text: `for ${one.called}` })),
    el("td", { class: "state" }, el("div", { class: "state-line" }, badge(...RECEIVED[one.state]),
      el("span", { class: "soft small number", text: `${many(one.instances, "image")}${one.version > 1 ? `, version ${one.version}` : ""}` })),
      one.note ? el("div", { class: "reason", text: one.note }) : null),
    el("td", { class: "when", text: time(one.last) }));
}

function refusedRow(one) {
  const line = el("code", { text: one.line });
  const named = Boolean(one.title);
  const copy = el("button", { type: "button", class: "button small", text: "Copy", "aria-label": `Copy the line for ${one.title}`, onclick: async () => {
    try {
      await navigator.clipboard.writeText(one.line);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(line);
    }
  } });
  return el("tr", {},
    el("th", { scope: "row" }, one.title || "(no title)", el("span", { class: "sub", text: `${one.address}, calling ${one.called || "(no title)"}` })),
    el("td", {}, one.reason, el("span", { class: "sub", text: `${many(one.count, "time")}, last ${time(one.last)}` })),
    el("td", {}, named ? line : el("span", { class: "soft", text: "It must state an AE title first." })),
    el("td", { class: "tools" }, named ? el("div", {}, copy) : null));
}
