// What the server is busy with for this page: one job at a time, its bar, and the way to stop it.

import { complain, hush, say } from "./announce.js";
import { Problem } from "./api.js";
import { button, find } from "./dom.js";
import { patiently, run } from "./jobs.js";
import { read } from "./picture.js";

/** @typedef {import("./api.js").Api} Api */
/** @typedef {import("./jobs.js").Progress} Progress */
/** @typedef {import("./picture.js").Picture} Picture */

/** Emits "change" when it begins and when it ends. */
export class Work extends EventTarget {
  /** @param {Api} api */
  constructor(api) {
    super();
    this.api = api;
    /** @type {AbortController | null} */
    this.controller = null;
    this.panel = find("work", HTMLElement);
    this.began = 0; // milliseconds
    this.said = "";
    this.text = find("work-text", HTMLElement);
    this.bar = find("work-bar", HTMLProgressElement);
    button("cancel").addEventListener("click", () => this.cancel());
    addEventListener("pagehide", () => this.cancel());
  }

  get busy() {
    return this.controller !== null;
  }

  cancel() {
    this.controller?.abort();
  }

  /** Do something that may be cancelled; what goes wrong is said on the page.
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} doing @returns {Promise<T | null>} null: it ended early */
  async during(doing) {
    if (this.controller) return null;
    this.controller = new AbortController();
    const { signal } = this.controller;
    this.began = performance.now();
    hush();
    this.show({ state: "sending", done: 0, of: 0 }, "Preparing");
    this.panel.hidden = false;
    this.dispatchEvent(new Event("change"));
    try {
      return await doing(signal);
    } catch (error) {
      if (signal.aborted || isAbort(error)) say("Cancelled.");
      else complain(error);
      return null;
    } finally {
      this.controller = null;
      this.panel.hidden = true;
      this.dispatchEvent(new Event("change"));
    }
  }

  /** @param {FormData} form of a job @param {AbortSignal} signal @param {string} verb what it does
   * @returns {Promise<Blob>} the picture's own bytes */
  send(form, signal, verb) {
    return run(this.api, form, signal, (progress) => this.show(progress, verb));
  }

  /** Read what was answered. @param {Blob} blob @param {string} name of its file
   * @param {AbortSignal} signal @returns {Promise<Picture>} */
  async read(blob, name, signal) {
    return (await read(blob, name)) ?? (await this.preview(blob, name, signal));
  }

  /** Let the server make what shows a picture that the browser cannot show.
   * @param {Blob} blob @param {string} name of its file @param {AbortSignal} signal
   * @returns {Promise<Picture>} */
  async preview(blob, name, signal) {
    const shown = await this.shown(blob, name, signal);
    const picture = await read(blob, name, shown);
    if (!picture) throw new Error(`${name} cannot be shown by this browser`);
    return picture;
  }

  /** @param {Blob} blob @param {string} name of its file @param {AbortSignal} signal
   * @returns {Promise<Blob>} a file that this browser shows */
  async shown(blob, name, signal) {
    const busy = (/** @type {Progress} */ progress) => this.show(progress, "");
    try {
      return await patiently(() => this.api.preview(sole(blob, name), signal), signal, busy);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      throw new Error(`${name} cannot be shown: ${error.message}`);
    }
  }

  /** @param {Progress} progress @param {string} verb */
  show({ state, done, of }, verb) {
    // One window is either filled or not: a bar that stands at nothing would be no help.
    if (state === "running" && of > 1) {
      this.bar.max = of;
      this.bar.value = done;
    } else {
      this.bar.removeAttribute("value");
    }
    const text = {
      busy: "The server is busy; asking again soon",
      sending: `${verb}: sending`,
      queued: "Waiting in line",
      running: of > 1 ? `${verb}: ${done} of ${of}` : verb,
    }[state];
    const seconds = Math.floor((performance.now() - this.began) / 1000);
    this.text.textContent = seconds ? `${text}, ${seconds} s` : text;
    if (text !== this.said) say(`${text}.`); // the seconds are not read out
    this.said = text;
  }
}

/** @param {Blob} blob @param {string} name */
function sole(blob, name) {
  const form = new FormData();
  form.append("picture", blob, name);
  return form;
}

/** @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";
