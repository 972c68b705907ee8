// One method for each operation of openapi.yaml, and watch(); for browsers and Node.js 20 or later.

/** A call that failed. `error_type` is for programs, `message` for people (docs/API.md 2). */
export class ApiError extends Error {
  name = "ApiError";

  constructor(message, { status = 0, error_type, request_id = null, retry_after = null, cause } = {}) {
    super(message, { cause });
    this.status = status;
    this.error_type = error_type;
    this.request_id = request_id;
    this.retry_after = retry_after;
  }
}

export class SharedChatsClient {
  #api;
  #token;
  #fetch;
  #renewed = null;

  constructor({ api, token = null, fetch = globalThis.fetch }) {
    if (!api) throw new TypeError("api is missing: the address of the service");
    this.#api = new URL(api, globalThis.location?.href).href.replace(/[?#].*$/, "").replace(/\/+$/, "");
    this.#token = token;
    // Called as a function: a browser's fetch refuses to be a method of another object.
    this.#fetch = (...args) => fetch(...args);
  }

  // Links

  async listSharedChats({ signal, ...query } = {}) {
    const response = await this.#send("GET", "/api/v1/shared_chats", { query, signal });
    const rows = await json(response);
    return { rows, total: Number(response.headers.get("X-Total-Count") ?? rows.length), next: next(response, query) };
  }

  async shareChatSession(link, { idempotencyKey, signal } = {}) {
    const headers = { "Idempotency-Key": idempotencyKey };
    return json(await this.#send("POST", "/api/v1/shared_chats", { body: link, headers, signal }));
  }

  async deleteSharedChats(ids, { signal } = {}) {
    await this.#send("POST", "/api/v1/shared_chats/batch_delete", { body: { shared_chat_ids: ids }, signal });
  }

  async getSharedChat(id, { format, ifNoneMatch, signal } = {}) {
    const options = { query: { format }, headers: { "If-None-Match": ifNoneMatch }, signal };
    const response = await this.#send("GET", path`/api/v1/shared_chats/${id}`, options);
    return tagged(response, format === "markdown" ? "text" : "json");
  }

  async updateSharedChat(id, changes, { ifMatch, signal } = {}) {
    const headers = { "If-Match": ifMatch };
    await this.#send("PATCH", path`/api/v1/shared_chats/${id}`, { body: changes, headers, signal });
  }

  async deleteSharedChat(id, { signal } = {}) {
    await this.#send("DELETE", path`/api/v1/shared_chats/${id}`, { signal });
  }

  async getSharedChatActivity(id, { signal } = {}) {
    return json(await this.#send("GET", path`/api/v1/shared_chats/${id}/activity`, { signal }));
  }

  async getSharedChatArtifact(id, artifactId, { range, ifRange, ifNoneMatch, signal } = {}) {
    const headers = { Range: range, "If-Range": ifRange, "If-None-Match": ifNoneMatch, Accept: "*/*" };
    return this.#send("GET", path`/api/v1/shared_chats/${id}/artifacts/${artifactId}`, { headers, signal });
  }

  async watchSharedChat(id, { after, signal } = {}) {
    // The cursor is in the query, because fetch sends no header beyond Latin-1.
    const options = { query: { after }, headers: { Accept: "text/event-stream" }, signal };
    return this.#send("GET", path`/api/v1/shared_chats/${id}/events`, options);
  }

  async getQrCode(id, { signal, ...query } = {}) {
    const options = { query, headers: { Accept: "image/*" }, isAnonymous: true, signal };
    return body(await this.#send("GET", path`/api/v1/shared_chats/${id}/qr_code`, options), "blob");
  }

  async openLink(id, { accept = "text/html", ifNoneMatch, signal } = {}) {
    const headers = { Accept: accept, "If-None-Match": ifNoneMatch };
    return tagged(await this.#send("GET", path`/shared/${id}`, { headers, signal }), "text");
  }

  // Policy

  async getPolicy({ ifNoneMatch, signal } = {}) {
    return tagged(await this.#send("GET", "/api/v1/policy", { headers: { "If-None-Match": ifNoneMatch }, signal }));
  }

  async setPolicy(policy, { ifMatch, signal } = {}) {
    return tagged(await this.#send("PUT", "/api/v1/policy", { body: policy, headers: { "If-Match": ifMatch }, signal }));
  }

  // For a chat service, with a token that has its scope

  async listSharedChatsOfChat(chatSessionId, { signal } = {}) {
    return json(await this.#send("GET", path`/api/v1/chats/${chatSessionId}/shared_chats`, { signal }));
  }

  async chatChanged(chatSessionId, { signal } = {}) {
    await this.#send("POST", path`/api/v1/chats/${chatSessionId}/changes`, { signal });
  }

  async deleteSharedChatsOfChat(chatSessionId, { signal } = {}) {
    return json(await this.#send("DELETE", path`/api/v1/chats/${chatSessionId}/shared_chats`, { signal }));
  }

  async deleteSharedChatsOfOwner(chatSessionId, ownerId, { signal } = {}) {
    return json(await this.#send("DELETE", path`/api/v1/chats/${chatSessionId}/owners/${ownerId}/shared_chats`, { signal }));
  }

  async deleteSharedChatsOfUser(userId, { signal } = {}) {
    return json(await this.#send("DELETE", path`/api/v1/users/${userId}/shared_chats`, { signal }));
  }

  // For administrators

  async listAllSharedChats({ signal, ...query } = {}) {
    const response = await this.#send("GET", "/api/v1/admin/shared_chats", { query, signal });
    return { rows: await json(response), next: next(response, query) };
  }

  async takeDownSharedChats(ids, { signal } = {}) {
    await this.#send("POST", "/api/v1/admin/shared_chats/batch_delete", { body: { shared_chat_ids: ids }, signal });
  }

  async eraseUser(userId, { signal } = {}) {
    return json(await this.#send("DELETE", path`/api/v1/users/${userId}`, { signal }));
  }

  // Operation

  async live({ signal } = {}) {
    return json(await this.#send("GET", "/health/live", { isAnonymous: true, signal }));
  }

  async ready({ signal } = {}) {
    return json(await this.#send("GET", "/health/ready", { isAnonymous: true, signal }));
  }

  async openapiJson({ signal } = {}) {
    return json(await this.#send("GET", "/openapi.json", { isAnonymous: true, signal }));
  }

  async openapiYaml({ signal } = {}) {
    const options = { headers: { Accept: "application/yaml" }, isAnonymous: true, signal };
    return body(await this.#send("GET", "/openapi.yaml", options), "text");
  }

  /**
   * Follows a live link until it may not be seen any more, or `signal` is aborted.
   *
   * A connection that ends or is silent is opened again from the last event on, with back-off. As
   * edits and removals in between are not sent again, `onEvent` then gets a `reset`. A stream that
   * ended with its token goes on with a new one.
   */
  async watch(id, { onEvent, after, signal }) {
    let attempt = 0;
    let isFirst = true;
    let refresh = false;
    while (!signal?.aborted) {
      let wait = 0;
      try {
        if (refresh && this.#token) await this.#renew(await this.#authorization());
        refresh = false;
        const response = await this.watchSharedChat(id, { after, signal });
        if (!isFirst) onEvent({ event: "reset", data: {} });
        isFirst = false;
        attempt = 0;
        for await (const { event, data, id: cursor } of events(response)) {
          after = cursor ?? after;
          // The link may be narrower, or only the token has expired: the next answer tells.
          refresh = event === "revoked";
          if (refresh) break;
          if (event) onEvent({ event, data: JSON.parse(data), id: cursor });
          if (signal?.aborted) return;
        }
      } catch (error) {
        if (signal?.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        if (ENDS.includes(error.status)) return onEvent({ event: "revoked", data: {} });
        if (error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
        wait = (error.retry_after ?? 0) * 1000;
      }
      const backOff = Math.min(FIRST_RETRY_MS * 2 ** attempt++, LAST_RETRY_MS);
      await sleep(wait + backOff * (0.5 + Math.random() / 2), signal);
    }
  }

  async #authorization() {
    return this.#token && withToken(() => this.#token({ refresh: false }));
  }

  /** A token in place of the refused one: one for all calls that were refused with it. */
  async #renew(refused) {
    if (!this.#renewed || this.#renewed.refused !== refused) {
      this.#renewed = { refused, token: withToken(() => this.#token({ refresh: true })) };
    }
    const { token } = this.#renewed;
    return token.catch((error) => {
      this.#renewed = null;
      throw error;
    });
  }

  async #send(method, path, { isAnonymous = false, signal, ...request } = {}) {
    const token = isAnonymous ? null : await this.#authorization();
    let response = await this.#request(method, path, token, signal, request);
    if (response.status === 401 && this.#token && !isAnonymous) {
      const fresh = await this.#renew(token);
      if (fresh) response = await this.#request(method, path, fresh, signal, request);
      if (response.status === 401) this.#renewed = null;
    }
    if (response.ok || response.status === 304) return response;
    throw await failure(response);
  }

  async #request(method, path, token, signal, { query = {}, headers: given = {}, body }) {
    const url = new URL(this.#api + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null) url.searchParams.set(name, value);
    }
    const headers = new Headers({ Accept: "application/json" });
    for (const [name, value] of Object.entries(given)) if (value) headers.set(name, value);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    if (body !== undefined) headers.set("Content-Type", "application/json");
    try {
      return await this.#fetch(url.href, { method, headers, body: body && JSON.stringify(body), signal });
    } catch (cause) {
      throw unreachable(cause, signal);
    }
  }
}

const ENDS = [401, 403, 404];
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** The service sends a comment every 15 s. */
const SILENCE_MS = 45_000;

async function withToken(ask) {
  try {
    return await ask();
  } catch (cause) {
    throw new ApiError(`There is no token: ${cause?.message ?? cause}`, { error_type: "no_token", cause });
  }
}

/** A path with its values encoded. `.` and `..` would lead to another call. */
function path(texts, ...values) {
  for (const value of values) {
    if (typeof value !== "string" || ["", ".", ".."].includes(value)) {
      throw new TypeError(`not an id: ${JSON.stringify(value)}`);
    }
  }
  return String.raw({ raw: texts }, ...values.map(encodeURIComponent));
}

async function body(response, kind) {
  try {
    return await response[kind]();
  } catch (cause) {
    if (cause?.name === "AbortError" || cause?.name === "TimeoutError") throw cause;
    if (cause instanceof SyntaxError) throw unreadable(response, cause);
    throw unreachable(cause);
  }
}

const json = (response) => body(response, "json");

/** The body, null for a 304, with the entity tag. */
async function tagged(response, kind = "json") {
  const data = response.status === 304 ? null : await body(response, kind);
  return { data, etag: response.headers.get("ETag") };
}

/** What to ask a list for to get the page behind this one; null at the end. */
function next(response, query) {
  const link = /<([^>]*)>\s*;\s*rel="next"/.exec(response.headers.get("Link") ?? "");
  if (!link) return null;
  const given = new URL(link[1], response.url || "http://localhost").searchParams;
  const page = { ...query };
  for (const name of ["offset", "limit"]) if (given.has(name)) page[name] = Number(given.get(name));
  if (given.has("after")) page.after = given.get("after");
  return page;
}

async function failure(response) {
  const error = await response.json().catch(() => null);
  if (typeof error?.error_type !== "string") return unreadable(response);
  const seconds = Number.parseInt(response.headers.get("Retry-After"), 10);
  return new ApiError(error.message, {
    status: response.status,
    error_type: error.error_type,
    request_id: error.request_id,
    retry_after: Number.isNaN(seconds) ? null : seconds,
  });
}

/** Not an answer of the service: that of a proxy, or of another program at its address. */
const unreadable = ({ status }, cause) =>
  new ApiError(`The answer could not be read (status ${status}).`, { status, error_type: "unreadable", cause });

/** The caller's own abort stays what it is. */
function unreachable(cause, signal) {
  if (signal?.aborted || cause?.name === "AbortError") return cause;
  return new ApiError("The service could not be reached.", { error_type: "network", cause });
}

/** The blocks of an event stream, which an empty line separates. A comment may carry an id. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let timer;
  try {
    for (;;) {
      timer = setTimeout(() => reader.cancel(), SILENCE_MS);
      const { done, value } = await reader.read();
      clearTimeout(timer);
      if (done) return;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const lines = block.split("\n");
        const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
        yield { event: field("event"), data: field("data"), id: field("id") };
      }
    }
  } catch (cause) {
    throw unreachable(cause);
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => {});
  }
}

function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, signal?.aborted ? 0 : milliseconds);
    signal?.addEventListener("abort", wake);
  });
}
