// Speaks with the server: requests, its problem documents, its token.

/** @typedef {{id: string, state: "queued" | "running" | "done" | "failed" | "cancelled",
 *   done: number, of: number, problem?: string | null}} Job */

/** What the server refuses, in its own sentence. */
export class Problem extends Error {
  /** @param {number} status @param {string} detail @param {number | null} retryAfter seconds */
  constructor(status, detail, retryAfter) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Asks for a token; null: the person gave up.
 * @typedef {(refused: boolean) => Promise<string | null>} AskToken */

export class Api {
  /** @param {AskToken} askToken */
  constructor(askToken) {
    this.askToken = askToken;
    /** @type {string | null} */
    this.token = sessionStorage.getItem("token");
  }

  /** @param {string} path @param {RequestInit} [init] @returns {Promise<Response>} of success */
  async request(path, init = {}) {
    for (;;) {
      const sent = this.token;
      const headers = new Headers(init.headers);
      if (sent) headers.set("Authorization", `Bearer ${sent}`);
      const response = await reached(path, { ...init, headers });
      if (response.ok) return response;
      if (response.status !== 401 || !(await this.renew(sent))) throw await problem(response);
    }
  }

  /** @param {string | null} refused the token that was sent @returns {Promise<boolean>} another is there */
  async renew(refused) {
    if (this.token !== refused) return true; // another request has asked meanwhile
    const token = await this.askToken(refused !== null);
    if (token === null) return false;
    this.token = token;
    sessionStorage.setItem("token", token);
    return true;
  }

  /** @param {FormData} form @param {AbortSignal} signal @returns {Promise<Job>} */
  async start(form, signal) {
    return (await this.request("v1/jobs", { method: "POST", body: form, signal })).json();
  }

  /** @param {FormData} form @param {AbortSignal} signal
   * @returns {Promise<Blob>} the picture as any browser shows it */
  async preview(form, signal) {
    return (await this.request("v1/preview", { method: "POST", body: form, signal })).blob();
  }

  /** @param {string} id @param {AbortSignal} signal @returns {Promise<Job>} */
  async job(id, signal) {
    return (await this.request(`v1/jobs/${encodeURIComponent(id)}`, { signal })).json();
  }

  /** @param {string} id @param {AbortSignal} signal @returns {Promise<Blob>} the picture's own bytes */
  async result(id, signal) {
    return (await this.request(`v1/jobs/${encodeURIComponent(id)}/result`, { signal })).blob();
  }

  /** @param {string} id */
  async cancel(id) {
    await this.request(`v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE", keepalive: true });
  }
}

/** @param {string} path @param {RequestInit} init */
async function reached(path, init) {
  try {
    return await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(0, "The server does not answer. Is swapfill serve still running?", null);
  }
}

/** @param {Response} response @returns {Promise<Problem>} */
async function problem(response) {
  const wait = Number(response.headers.get("Retry-After") ?? NaN);
  const body = await response.json().catch(() => ({}));
  const detail = body.detail ?? body.title ?? `The server answered ${response.status}.`;
  return new Problem(response.status, String(detail), Number.isFinite(wait) ? wait : null);
}
