// SPDX-License-Identifier: Apache-2.0
// Server-sent events that survive a lost connection: the stream is opened again and goes on where it was.
import { connection } from "./api.js";

const KINDS = ["state", "progress", "metrics", "result", "error", "end"];

// Calls handlers[kind](data) for each event of the stream, `handlers.gone()` when the server no longer knows it. Returns a
// function that stops listening.
export function follow(url, handlers) {
  let source = null;
  let lastId = 0;
  let closed = false;
  let timer = null;
  let failures = 0;

  const stop = () => {
    closed = true;
    clearTimeout(timer);
    source?.close();
  };

  function take(event) {
    if (event.data === undefined) return lost(); // the source's own "error", not the server's
    failures = 0;
    const id = Number(event.lastEventId);
    if (id > 0 && id <= lastId) return undefined; // sent again after a reconnection
    if (id > 0) lastId = id;
    const data = JSON.parse(event.data);
    if (event.type === "end") stop();
    return handlers[event.type]?.(data);
  }

  // The browser reconnects by itself while it can; a refused stream is opened anew after a while.
  async function lost() {
    if (closed || source.readyState !== EventSource.CLOSED) return;
    source.close();
    failures += 1;
    let status = 0;
    try {
      status = (await fetch(url.replace(/\/events$/, ""), { cache: "no-store" })).status;
    } catch {
      connection.fail();
    }
    if (closed) return;
    if (status === 404) {
      stop();
      handlers.gone?.();
      return;
    }
    timer = setTimeout(open, Math.min(15000, 500 * 2 ** failures));
  }

  function open() {
    source = new EventSource(url);
    for (const kind of KINDS) source.addEventListener(kind, take);
  }

  open();
  return stop;
}
