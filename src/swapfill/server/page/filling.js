// Fills what is marked, again with pieces from elsewhere, and again with more passes.

import { say } from "./announce.js";
import { button, find, input } from "./dom.js";
import { filling } from "./fields.js";

/** @typedef {import("./mask.js").Hole} Hole */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./session.js").Version} Version */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./work.js").Work} Work */
/** @typedef {import("./catalogue.js").Catalogue} Catalogue */
/** @typedef {{from: Version, hole: Hole | null, method: string, feather: number, refine: number,
 *   attempt: number}} Question */

const MOST_PASSES = 8;

export class Filling {
  /** @param {Stage} stage @param {Session} session @param {Work} work @param {Catalogue} catalogue */
  constructor(stage, session, work, catalogue) {
    this.stage = stage;
    this.session = session;
    this.work = work;
    this.catalogue = catalogue;
    this.method = find("method", HTMLSelectElement);
    /** @type {WeakMap<Version, Question>} what each result answers */
    this.questions = new WeakMap();
    button("fill").addEventListener("click", () => this.fill());
    button("again").addEventListener("click", () => this.again());
    button("refine").addEventListener("click", () => this.refine());
    stage.addEventListener("edit", () => {
      if (input("on-release").checked) this.fill();
    });
    for (const source of [stage, session, work]) {
      for (const type of ["mask", "change"]) source.addEventListener(type, () => this.enable());
    }
  }

  /** Whether there is a hole: marked, or transparent. */
  get ready() {
    const { picture, mask } = this.stage;
    return !this.work.busy && picture !== null && (mask.marked > 0 || picture.transparent);
  }

  /** The question that the current result answers, if nothing new is marked. */
  get answered() {
    const { current } = this.session;
    const idle = !this.work.busy && this.stage.mask.marked === 0;
    return (current && idle && this.questions.get(current)) || null;
  }

  enable() {
    button("fill").disabled = !this.ready;
    const method = this.answered?.method ?? "";
    button("again").disabled = !this.catalogue.heedsSeed(method);
    button("refine").disabled = !this.catalogue.learned(method);
  }

  async fill() {
    const from = this.session.current;
    if (!from || !this.ready) return;
    const how = {
      method: this.method.value,
      feather: Number(input("feather").value),
      refine: Number(input("refine-passes").value),
      attempt: 0,
    };
    await this.work.during(async (signal) => {
      const hole = await this.stage.mask.hole();
      await this.ask({ from, hole, ...how }, signal);
    });
  }

  async again() {
    const question = this.answered;
    if (!question) return;
    const next = { ...question, attempt: question.attempt + 1 };
    await this.work.during((signal) => this.ask(next, signal));
  }

  async refine() {
    const question = this.answered;
    if (!question) return;
    const next = { ...question, refine: Math.min(question.refine + 1, MOST_PASSES) };
    await this.work.during((signal) => this.ask(next, signal));
  }

  /** @param {Question} question @param {AbortSignal} signal */
  async ask(question, signal) {
    const { from, hole, method, feather, attempt } = question;
    const refine = this.catalogue.learned(method) ? question.refine : 0;
    const options = { method, feather, refine, seed: attempt };
    const form = filling(from.picture, hole?.png ?? null, options);
    const began = performance.now();
    const filled = await this.work.send(form, signal, "Filling");
    const picture = await this.work.read(filled, from.picture.name, signal);
    const seconds = (performance.now() - began) / 1000;
    const said = [attempt && `try ${attempt + 1}`, refine && `refined ${times(refine)}`];
    const note = said.filter(Boolean).join(", ");
    this.session.add(from, picture, hole, { method, note, seconds });
    if (this.session.current) this.questions.set(this.session.current, question);
    say(
      `Filled in ${seconds.toFixed(1)} s${note ? ` (${note})` : ""}. Mark more, compare, or download.`,
    );
  }
}

/** @param {number} passes */
const times = (passes) => ["", "once", "twice"][passes] ?? `${passes} times`;
