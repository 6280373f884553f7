// Asks for the token of a server that wants one.

import { find, input } from "./dom.js";

/** @type {import("./api.js").AskToken} */
export function askToken(refused) {
  const dialog = find("ask", HTMLDialogElement);
  if (refused)
    find("ask-text", HTMLElement).textContent = "The server refuses this token. Is it complete?";
  input("token").value = "";
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    const closed = () => resolve(dialog.returnValue === "ok" ? input("token").value.trim() : null);
    dialog.addEventListener("close", closed, { once: true });
  });
}
