// Runs one job to its end: waits while the server is busy, tells how far it is, can be stopped.

/** @typedef {import("./api.js").Api} Api */
/** @typedef {{state: "busy" | "sending" | "queued" | "running", done: number, of: number}} Progress */

import { Problem } from "./api.js";

const SHORTEST = 150; // milliseconds between two questions; grows, since long jobs need fewer
const LONGEST = 1000;

/** @param {Api} api @param {FormData} form @param {AbortSignal} signal
 * @param {(progress: Progress) => void} onProgress @returns {Promise<Blob>} */
export async function run(api, form, signal, onProgress) {
  onProgress({ state: "sending", done: 0, of: 0 });
  const { id } = await patiently(() => api.start(form, signal), signal, onProgress);
  try {
    await finished(api, id, signal, onProgress);
    const result = await api.result(id, signal);
    void api.cancel(id).catch(() => undefined); // it need not be kept for us any more
    return result;
  } catch (error) {
    // What nobody waits for is not computed. The server may have ended it already: no matter.
    if (signal.aborted) await api.cancel(id).catch(() => undefined);
    throw error;
  }
}

/** Ask until the server is not too busy.
 * @template T
 * @param {() => Promise<T>} ask @param {AbortSignal} signal
 * @param {(progress: Progress) => void} onProgress @returns {Promise<T>} */
export async function patiently(ask, signal, onProgress) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 429) throw error;
      onProgress({ state: "busy", done: 0, of: 0 });
      await pause((error.retryAfter ?? 1) * 1000, signal);
    }
  }
}

/** @param {Api} api @param {string} id @param {AbortSignal} signal
 * @param {(progress: Progress) => void} onProgress */
async function finished(api, id, signal, onProgress) {
  for (let wait = SHORTEST; ; wait = Math.min(wait * 1.2, LONGEST)) {
    const job = await api.job(id, signal);
    if (job.state === "done") return;
    if (job.state === "failed") throw new Problem(500, job.problem ?? "The job failed.", null);
    if (job.state === "cancelled") throw new DOMException("The job was cancelled.", "AbortError");
    onProgress({ state: job.state, done: job.done, of: job.of });
    await pause(wait, signal);
  }
}

/** @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
  });
}
