// Which files of a folder are results, and which originals belong to them.

/** @typedef {{path: string, after: File, before: File | null}} Pair `path`: in its folder */

const TRY = /^(.+)-filled-\d+(\.[^./]+)$/; // as this page saves what it made of `$1$2`

/** @param {File[]} results @param {File[]} originals of a folder with the same tree and names
 * @returns {Pair[]} by path; an original that lies among the results is shown as one, not as another */
export function paired(results, originals) {
  const [here, there] = [byPath(results), byPath(originals)];
  const pairs = [...here].map(([path, after]) => {
    const source = path.replace(TRY, "$1$2");
    const saved = source === path ? undefined : (there.get(source) ?? here.get(source));
    return { path, after, before: saved ?? there.get(path) ?? null };
  });
  const originalsHere = new Set(pairs.map(({ before }) => before));
  return pairs
    .filter(({ after }) => !originalsHere.has(after))
    .sort((one, other) => one.path.localeCompare(other.path, undefined, { numeric: true }));
}

/** Leave out reports, journals and whatever else is no picture. @param {File[]} files */
function byPath(files) {
  const pictures = files.filter((file) => file.type.startsWith("image/"));
  return new Map(pictures.map((file) => [placeOf(file), file]));
}

/** @param {File} file @returns {string} its path below the folder that was chosen */
const placeOf = (file) => file.webkitRelativePath.replace(/^[^/]*\//, "") || file.name;
