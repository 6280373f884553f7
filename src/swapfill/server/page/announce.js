// Says what happens: to eyes in a line below the picture, to ears in a live region, errors at once.

import { find } from "./dom.js";

const status = find("status", HTMLElement);
const alarm = find("alarm", HTMLElement);
const alarmText = find("alarm-text", HTMLElement);
find("alarm-close", HTMLButtonElement).addEventListener("click", () => hush());

/** @param {string} sentence */
export function say(sentence) {
  status.textContent = sentence;
}

/** Show an error until it is closed or something succeeds.
 * @param {unknown} error */
export function complain(error) {
  alarmText.textContent = error instanceof Error ? error.message : String(error);
  alarm.hidden = false;
}

/** Take the last error away. */
export function hush() {
  alarm.hidden = true;
  alarmText.textContent = "";
}
