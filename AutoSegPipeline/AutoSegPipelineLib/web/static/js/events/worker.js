// One connection for all tabs of this page: a shared worker, which lives as long as one of them.
import { Feed } from "./feed.js";

const ports = new Set();
const base = location.pathname.slice(0, -"/static/js/events/worker.js".length);
const feed = new Feed(base, (message) => { for (const port of ports) port.postMessage(message); });
let begun = false;

self.addEventListener("connect", ({ ports: [port] }) => {
  ports.add(port);
  port.onmessage = ({ data }) => {
    if (data === "bye") ports.delete(port);
    else if (data === "wake") feed.wake();
    else feed.sayState();
  };
  if (feed.stopped) feed.wake();
  else if (begun) feed.sayState();
  else feed.begin();
  begun = true;
});
