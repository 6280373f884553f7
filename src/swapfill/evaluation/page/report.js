"use strict";
// Sorts the grid, and shows a picture large. Types are said in comments, after JSDoc.

/** @typedef {{key: string, title: string, unit: string, digits: number, better: string}} Figure */
/** @typedef {Object<string, Object<string, Object<string, number>>>} Figures by picture, method, key */

/** @type {{figures: Figure[], pictures: Figures}} */
const data = JSON.parse(/** @type {string} */ (element("data").textContent));
const grid = element("grid");
const rows = /** @type {HTMLTableRowElement[]} */ ([...grid.children]); // in the order of the data
const figureBox = /** @type {HTMLSelectElement} */ (element("figure"));
const methodBox = /** @type {HTMLSelectElement} */ (element("method"));
const fallingBox = /** @type {HTMLInputElement} */ (element("falling"));
const zoom = /** @type {HTMLDialogElement} */ (element("zoom"));

/** @type {HTMLButtonElement | null} the picture that is shown large */
let shown = null;

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {HTMLElement} row @param {string} method @param {string} key @returns {number | undefined} */
function value(row, method, key) {
  return data.pictures[row.dataset.picture ?? ""]?.[method]?.[key];
}

/** @param {Figure} figure @param {number} number @returns {string} */
function text(figure, number) {
  return number.toFixed(figure.digits) + (figure.unit ? " " + figure.unit : "");
}

/** Put the rows in the order that is asked for; those without the figure come last. */
function sort() {
  const key = figureBox.value;
  const sign = fallingBox.checked ? -1 : 1;
  const order = key ? [...rows].sort((a, b) => {
    const x = value(a, methodBox.value, key);
    const y = value(b, methodBox.value, key);
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    return sign * (x - y);
  }) : fallingBox.checked ? [...rows].reverse() : rows;
  grid.replaceChildren(...order);
  label();
}

/** Write the chosen figure below each picture. */
function label() {
  const figure = data.figures.find((f) => f.key === figureBox.value);
  for (const cell of /** @type {NodeListOf<HTMLElement>} */ (grid.querySelectorAll("td"))) {
    const note = cell.querySelector("span");
    const row = /** @type {HTMLElement} */ (cell.parentElement);
    const number = figure && value(row, cell.dataset.column ?? "", figure.key);
    if (note) note.textContent = figure && number !== undefined ? text(figure, number) : "";
  }
}

/** @param {HTMLButtonElement} button */
function show(button) {
  shown = button;
  const image = /** @type {HTMLImageElement} */ (button.querySelector("img"));
  const cell = /** @type {HTMLElement} */ (button.closest("td"));
  const row = /** @type {HTMLElement} */ (cell.parentElement);
  const large = /** @type {HTMLImageElement} */ (element("zoom-picture"));
  large.src = image.src;
  large.alt = image.alt;
  element("zoom-title").textContent = image.alt;
  element("zoom-figures").replaceChildren(...data.figures.flatMap((figure) => {
    const number = value(row, cell.dataset.column ?? "", figure.key);
    return number === undefined ? [] : [entry(figure.title, text(figure, number))];
  }));
  if (!zoom.open) zoom.showModal();
}

/** @param {string} name @param {string} content @returns {HTMLElement} */
function entry(name, content) {
  const holder = document.createElement("div");
  holder.append(document.createElement("dt"), document.createElement("dd"));
  holder.children[0].textContent = name;
  holder.children[1].textContent = content;
  return holder;
}

/** Show the picture that lies so many columns and rows away, if there is one.
 * @param {number} columns @param {number} down */
function move(columns, down) {
  const cell = /** @type {HTMLTableCellElement | null} */ (shown?.closest("td") ?? null);
  const all = [...grid.children];
  const row = cell && all[all.indexOf(/** @type {Element} */ (cell.parentElement)) + down];
  const button = row?.children[(cell?.cellIndex ?? 0) + columns]?.querySelector("button");
  if (button) show(button);
}

for (const box of [figureBox, methodBox, fallingBox]) box.addEventListener("change", sort);
element("order").addEventListener("submit", (event) => event.preventDefault());
grid.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest("button");
  if (button) show(button);
});
zoom.addEventListener("click", (event) => {
  if (event.target === zoom) zoom.close(); // beside the picture
});
zoom.addEventListener("close", () => shown?.focus());
zoom.addEventListener("keydown", (event) => {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = steps[/** @type {keyof typeof steps} */ (event.key)];
  if (!step) return;
  event.preventDefault();
  move(step[0], step[1]);
});
sort();
