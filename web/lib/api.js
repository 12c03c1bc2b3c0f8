// SPDX-License-Identifier: Apache-2.0
// The server's API: JSON in and out, errors as the server words them, and what happens when it cannot be reached.

// An answer with an error object: code, what, seen, wanted, remedy.
export class ApiError extends Error {
  constructor(status, fields) {
    super(fields.what ?? `the server answered ${status}`);
    this.status = status;
    this.fields = fields;
  }
}

// The server did not answer at all.
export class ConnectionError extends Error {
  constructor() {
    super("the server does not answer");
    this.fields = {
      code: "studio.no_connection",
      what: this.message,
      remedy: "the page tries again by itself; see whether tenfold serve still runs",
    };
  }
}

// Events: "lost" (detail.seconds until the next try, every second), "back".
class Connection extends EventTarget {
  #delay = 1;
  #timer = null;
  #left = 0;
  lost = false;

  fail() {
    if (this.lost) return;
    this.lost = true;
    this.#delay = 1;
    this.#wait();
  }

  retry() {
    if (!this.lost) return;
    clearTimeout(this.#timer);
    this.#left = 0;
    this.#try();
  }

  #wait() {
    this.#left = this.#delay;
    this.#delay = Math.min(15, 2 * this.#delay);
    this.#tick();
  }

  #tick() {
    this.#tell("lost", { seconds: this.#left });
    this.#timer = setTimeout(() => (--this.#left > 0 ? this.#tick() : this.#try()), 1000);
  }

  async #try() {
    this.#tell("lost", { seconds: 0 });
    try {
      await fetch("/v2/health/live", { cache: "no-store" });
      this.lost = false;
      this.#tell("back", {});
    } catch {
      this.#wait();
    }
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
export const connection = new Connection();

const sleep = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });

async function errorOf(response) {
  let fields = {};
  try {
    const body = await response.json();
    fields = typeof body.error === "object" ? body.error : { ...body, what: body.what ?? body.error };
  } catch {
    fields = { what: `the server answered ${response.status} ${response.statusText}` };
  }
  return new ApiError(response.status, fields);
}

const BUSY_TRIES = 3;

// Asks again a little later when the server says that it is full.
async function request(path, { signal, ...options } = {}) {
  for (let attempt = 1; ; ++attempt) {
    let response;
    try {
      response = await fetch(path, { ...options, signal, credentials: "same-origin" });
    } catch (error) {
      if (signal?.aborted) throw error;
      connection.fail();
      throw new ConnectionError();
    }
    if (response.ok) return response;
    const error = await errorOf(response);
    const busy = error.fields.code === "serve.queue_full";
    if (!busy || attempt === BUSY_TRIES) throw error;
    await sleep(1000 * Number(response.headers.get("retry-after") ?? 1), signal);
  }
}

const json = { "content-type": "application/json" };

export const api = {
  async get(path, options) {
    return (await request(path, options)).json();
  },
  async post(path, body, options) {
    return (await request(path, { method: "POST", headers: json, body: JSON.stringify(body), ...options })).json();
  },
  async blob(path, body, options) {
    return (await request(path, { method: "POST", headers: json, body: JSON.stringify(body), ...options })).blob();
  },
  // A table for later requests; its `value` is what a field takes.
  async upload(file, options) {
    return (
      await request(`/api/uploads?name=${encodeURIComponent(file.name)}`, {
        method: "POST",
        headers: { "content-type": "text/csv" },
        body: file,
        ...options,
      })
    ).json();
  },
  async remove(path, options) {
    return (await request(path, { method: "DELETE", ...options })).json();
  },
};

let systemsAnswer = null;
// The systems of this server with their verbs and schemas; asked for once.
export function systems() {
  systemsAnswer ??= api
    .get("/api/systems")
    .then((answer) => answer.systems)
    .catch((error) => {
      systemsAnswer = null;
      throw error;
    });
  return systemsAnswer;
}

export async function verbOf(systemName, verbName) {
  const system = (await systems()).find((each) => each.name === systemName);
  const verb = system?.verbs.find((each) => each.name === verbName);
  if (!verb)
    throw new ApiError(404, {
      code: "studio.no_verb",
      what: `this server has no verb ${systemName} ${verbName}`,
      remedy: "build the program with LibTorch",
    });
  return { system, verb };
}

// Runs `task(signal, ...)` a little after the last call; an earlier one that is still under way is dropped, so that the last
// answer wins. `done` and `failed` are only called for the last one.
export function latest(task, { delay = 120, started, done, failed }) {
  let timer = null;
  let controller = null;
  const run = async (args) => {
    const own = new AbortController();
    controller = own;
    started?.();
    try {
      const result = await task(own.signal, ...args);
      if (!own.signal.aborted) done(result, ...args);
    } catch (error) {
      if (!own.signal.aborted) failed(error);
    }
  };
  const call = (...args) => {
    clearTimeout(timer);
    controller?.abort();
    timer = setTimeout(() => run(args), delay);
  };
  call.stop = () => {
    clearTimeout(timer);
    controller?.abort();
  };
  return call;
}
