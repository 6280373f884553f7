// Before and after: a divider over the picture, and a look at the original while a key is held.

import { button, clamp, find } from "./dom.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./stage.js").Stage} Stage */

const KEYS = /** @type {Object<string, number>} */ ({
  ArrowLeft: -0.02,
  ArrowDown: -0.02,
  ArrowRight: 0.02,
  ArrowUp: 0.02,
  PageDown: -0.1,
  PageUp: 0.1,
  Home: -1,
  End: 1,
});

export class Compare {
  /** @param {Stage} stage @param {Session} session */
  constructor(stage, session) {
    this.stage = stage;
    this.session = session;
    this.on = false;
    this.holding = false;
    this.share = 0.5; // of the stage, left of the divider
    this.before = find("before", HTMLImageElement);
    this.divider = find("divider", HTMLElement);
    this.chips = [find("chip-before", HTMLElement), find("chip-after", HTMLElement)];
    stage.addEventListener("render", () => this.render());
    session.addEventListener("change", () => this.change());
    button("compare").addEventListener("click", () => this.toggle());
    this.listenToDivider();
    this.listenToHold(button("hold"));
  }

  get possible() {
    return Boolean(this.session.current?.root);
  }

  change() {
    const root = this.session.current?.root;
    if (root) this.before.src = root.picture.url;
    if (!root) this.on = this.holding = false;
    this.render();
  }

  toggle() {
    if (!this.possible) return;
    if (document.activeElement === this.divider) this.stage.element.focus(); // it will be hidden
    this.on = !this.on;
    const box = this.session.current?.hole?.box; // the divider begins where something has changed
    const { view } = this.stage;
    const x = box ? view.onStage({ x: box.x + box.width / 2, y: 0 }).x : view.centre.x;
    this.share = clamp(x / view.stage.width, 0.1, 0.9);
    this.render();
    if (this.on) this.divider.focus();
  }

  /** @param {boolean} holding */
  hold(holding) {
    this.holding = holding && this.possible;
    this.render();
  }

  render() {
    const { view } = this.stage;
    const x = this.share * view.stage.width;
    this.before.hidden = !this.on && !this.holding;
    const right = clamp(view.picture.width - (x - view.x) / view.scale, 0, view.picture.width);
    this.before.style.clipPath = this.holding ? "" : `inset(0 ${right}px 0 0)`;
    this.divider.hidden = !this.on || this.holding;
    this.divider.style.left = `${x}px`;
    const percent = String(Math.round(this.share * 100));
    this.divider.setAttribute("aria-valuenow", percent);
    this.divider.setAttribute("aria-valuetext", `${percent} % before`);
    this.chips[0].hidden = !this.on && !this.holding;
    this.chips[1].hidden = !this.on || this.holding;
    this.stage.element.classList.toggle("holding", this.holding);
    button("compare").setAttribute("aria-pressed", String(this.on));
  }

  listenToDivider() {
    const { divider } = this;
    divider.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      divider.focus();
      divider.setPointerCapture(event.pointerId);
    });
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const box = this.stage.element.getBoundingClientRect();
      this.slide((event.clientX - box.left) / box.width);
    });
    divider.addEventListener("keydown", (event) => {
      if (!(event.key in KEYS)) return;
      event.preventDefault();
      event.stopPropagation();
      this.slide(this.share + KEYS[event.key]);
    });
  }

  /** @param {number} share */
  slide(share) {
    this.share = clamp(share, 0, 1);
    this.render();
  }

  /** @param {HTMLButtonElement} holder */
  listenToHold(holder) {
    holder.addEventListener("pointerdown", (event) => {
      holder.setPointerCapture(event.pointerId);
      this.hold(true);
    });
    for (const type of ["pointerup", "pointercancel", "blur"]) {
      holder.addEventListener(type, () => this.hold(false));
    }
    const keys = [" ", "Enter"];
    holder.addEventListener("keydown", (event) => keys.includes(event.key) && this.hold(true));
    holder.addEventListener("keyup", (event) => keys.includes(event.key) && this.hold(false));
    holder.addEventListener("contextmenu", (event) => event.preventDefault()); // of a long touch
  }
}
