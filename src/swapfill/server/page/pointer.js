// Mouse, pen and fingers on the stage: one draws, two pinch, the wheel zooms, Space drags.

/** @typedef {import("./shapes.js").Point} Point */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./tools.js").Tools} Tools */

export class Pointer {
  /** @param {Stage} stage @param {Tools} tools */
  constructor(stage, tools) {
    this.stage = stage;
    this.tools = tools;
    this.space = false; // is held
    /** @type {Map<number, Point>} on the stage, by pointer */
    this.down = new Map();
    this.panning = false;
    const { element } = stage;
    element.addEventListener("pointerdown", (event) => this.press(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", (event) => this.lift(event, true));
    element.addEventListener("pointercancel", (event) => this.lift(event, false));
    element.addEventListener("pointerleave", () => tools.hover(null));
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("contextmenu", (event) => this.down.size && event.preventDefault());
    addEventListener("keydown", (event) => this.hold(event, true));
    addEventListener("keyup", (event) => this.hold(event, false));
    addEventListener("blur", () => (this.space = false));
  }

  /** @param {MouseEvent} event @returns {Point} on the stage */
  at(event) {
    const box = this.stage.element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** @param {PointerEvent} event */
  press(event) {
    const aside = /** @type {Element} */ (event.target).closest("button, [role=slider]");
    if (!this.stage.picture || aside || event.button > 1) return;
    this.stage.element.setPointerCapture(event.pointerId);
    const at = this.at(event);
    this.down.set(event.pointerId, at);
    if (this.down.size > 1) {
      this.tools.cancel(); // the first finger was no stroke
      this.panning = false;
      return;
    }
    this.panning = this.space || event.button === 1 || this.tools.tool === "hand";
    this.stage.element.classList.toggle("panning", this.panning);
    if (!this.panning) this.tools.begin(this.stage.view.inPicture(at), event.altKey);
    this.hover(event);
  }

  /** @param {PointerEvent} event */
  move(event) {
    this.hover(event);
    const before = this.down.get(event.pointerId);
    if (!before) return;
    const at = this.at(event);
    this.down.set(event.pointerId, at);
    if (this.down.size === 2) return this.pinch(event.pointerId, before, at);
    if (this.panning) return this.stage.view.pan(at.x - before.x, at.y - before.y);
    // Between two frames a pen reports many points: all of them, for a smooth line.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) {
      this.tools.move(this.stage.view.inPicture(this.at(one)));
    }
  }

  /** @param {number} moved @param {Point} before @param {Point} after */
  pinch(moved, before, after) {
    const other = [...this.down].find(([id]) => id !== moved)?.[1];
    if (!other) return;
    const { view } = this.stage;
    const far = (/** @type {Point} */ a) => Math.hypot(a.x - other.x, a.y - other.y);
    view.pan((after.x - before.x) / 2, (after.y - before.y) / 2);
    const middle = { x: (after.x + other.x) / 2, y: (after.y + other.y) / 2 };
    view.zoom(Math.max(far(after), 1) / Math.max(far(before), 1), middle);
  }

  /** @param {PointerEvent} event @param {boolean} finished */
  lift(event, finished) {
    if (!this.down.delete(event.pointerId)) return;
    this.stage.element.classList.remove("panning");
    if (finished) this.tools.end();
    else this.tools.cancel();
    if (event.pointerType === "touch") this.tools.hover(null);
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (!this.stage.picture) return;
    event.preventDefault();
    const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
    // A trackpad's pinch arrives as a wheel with Ctrl, in small steps.
    this.stage.view.zoom(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0015)), this.at(event));
    this.hover(event);
  }

  /** @param {MouseEvent} event */
  hover(event) {
    const aside = /** @type {Element} */ (event.target).closest("button, [role=slider]");
    this.tools.hover(aside ? null : this.stage.view.inPicture(this.at(event)));
  }

  /** @param {KeyboardEvent} event @param {boolean} held */
  hold(event, held) {
    if (event.code !== "Space" || (held && isWanted(event))) return;
    this.space = held;
    this.stage.element.classList.toggle("space", held);
    if (held) event.preventDefault(); // the page would scroll
  }
}

/** @param {KeyboardEvent} event @returns {boolean} Space is wanted where the focus is */
function isWanted(event) {
  return event.target instanceof Element && event.target.matches("input, button, select, a");
}
