// Keys for everything, and the sheet that lists them.

import { find, make } from "./dom.js";

/** @typedef {{keys: string[], says: string, shown?: string, act?: () => void}} Shortcut `keys` as
 *   `name` gives them, of which the sheet shows the first; without `act` it is only listed */

/** @param {Shortcut[]} shortcuts */
export function listen(shortcuts) {
  const acts = new Map(shortcuts.flatMap(({ keys, act }) => keys.map((key) => [key, act])));
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.isComposing) return;
    const key = name(event);
    const act = acts.get(key);
    if (!act || (isTyping(event) && !key.startsWith("Ctrl+"))) return;
    event.preventDefault();
    act();
  });
  find("help-keys", HTMLElement).replaceChildren(...shortcuts.map(entry));
}

/** @param {KeyboardEvent} event @returns {string} such as "b", "Shift+g", "Ctrl+Shift+z" */
function name(event) {
  const letter = /^[a-z]$/i.test(event.key);
  const parts = [
    event.ctrlKey || event.metaKey ? "Ctrl" : "",
    event.shiftKey && letter ? "Shift" : "", // in other signs Shift is already in the sign
    letter ? event.key.toLowerCase() : event.key,
  ];
  return event.altKey ? "" : parts.filter(Boolean).join("+");
}

/** @param {KeyboardEvent} event */
function isTyping(event) {
  return (
    event.target instanceof Element &&
    event.target.matches("input[type=number], input[type=password], select, textarea")
  );
}

/** @param {Shortcut} shortcut */
function entry({ keys, says, shown }) {
  const text =
    shown ?? keys[0].replace(/(?<=.)\+/g, " ").replace(/\b[a-z]$/, (key) => key.toUpperCase());
  return make("div", {}, says, make("kbd", {}, text));
}
