// Sliders that show their value, zoom buttons: what has no state of its own.

import { button, find, input } from "./dom.js";

/** @typedef {import("./stage.js").Stage} Stage */

const STEP = 1.4; // of a press on zoom

/** @param {string} id of a slider @param {(value: string) => string} text what it says */
function showValue(id, text) {
  const slider = input(id);
  const shown = find(`${id.replace("-passes", "")}-shown`, HTMLElement);
  const update = () => {
    shown.textContent = text(slider.value);
    slider.setAttribute("aria-valuetext", shown.textContent);
  };
  slider.addEventListener("input", update);
  update();
}

/** Let all sliders say their value. */
export function showValues() {
  showValue("feather", (value) => `${value} px`);
  showValue("refine-passes", (value) => ({ 0: "off", 1: "1 pass" })[value] ?? `${value} passes`);
  showValue("strength", (value) => `${value} %`);
}

/** @param {Stage} stage @returns what keys do, too */
export function zoomButtons(stage) {
  const { view } = stage;
  const acts = {
    in: () => view.zoom(STEP),
    out: () => view.zoom(1 / STEP),
    real: () => view.zoom(1 / (view.scale * devicePixelRatio)),
    fit: () => view.fit(),
  };
  for (const [name, act] of Object.entries(acts))
    button(`zoom-${name}`).addEventListener("click", act);
  view.addEventListener("change", () => {
    const percent = Math.round(view.scale * devicePixelRatio * 100);
    find("zoom-shown", HTMLElement).textContent = `${percent} %`;
  });
  return acts;
}
