// Another try: a fill is the same each time for the same question, so each asks with another seed,
// which coherent matching heeds, and a little differently, which every way of filling does.

/** @typedef {import("./fields.js").Options} Options */
/** @typedef {{options: Options, note: string}} Way */

const LEARNED = /** @type {Way[]} */ ([
  { options: {}, note: "" },
  { options: { grow: 3 }, note: "hole grown by 3 px" },
  { options: { matching: "blurred" }, note: "blurred matching" },
  { options: { grow: 8 }, note: "hole grown by 8 px" },
  { options: { matching: "literal" }, note: "literal matching" },
]);

/** @param {number} attempt 0, 1, 2, ... @param {boolean} learned whether a model fills, whose
 * matching can differ; a classical method sees only the hole @returns {Way} */
export function way(attempt, learned) {
  const ways = LEARNED.filter(({ options }) => learned || !options.matching);
  const { options, note } = ways[attempt % ways.length];
  return { options: { ...options, seed: attempt }, note };
}
