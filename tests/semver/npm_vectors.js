// Prints npm_vectors.tsv: what npm's own `semver` says. node npm_vectors.js SEMVER_FOLDER > npm_vectors.tsv
// A line is a range, in our spelling with commas, and a hexadecimal mask of which numbers of the grid it admits.
const path = require("path");
const folder = path.resolve(process.argv[2]);
const semver = require(folder);

let state = 20260729;
const below = (limit) => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 8) % limit;
};
const pick = (list) => list[below(list.length)];

const ENDINGS = ["-0", "-1", "-10", "-alpha", "-alpha.1", "-beta", "-rc.1", ""];
const GRID = [];
for (let major = 0; major < 3; major++)
  for (let minor = 0; minor < 3; minor++)
    for (let patch = 0; patch < 3; patch++)
      for (const ending of ENDINGS) GRID.push(`${major}.${minor}.${patch}${ending}`);

const OPERATORS = ["", "=", "^", "~", ">", ">=", "<", "<="];
const comparison = () => {
  const parts = [below(3), below(3), below(3)];
  const kind = below(20);
  if (kind < 10) return pick(OPERATORS) + parts.join(".") + (below(2) ? pick(ENDINGS) : "");
  const kept = 1 + below(2);
  const known = parts.slice(0, kept);
  if (kind < 15) return pick(OPERATORS) + known.join(".");
  if (kind < 19) return pick(OPERATORS) + known.concat(Array(1 + below(3 - kept)).fill(pick(["x", "X", "*"]))).join(".");
  return pick(["*", "x", ">=*", "<=*", "<*", ">*", "^*", "~x"]);
};

const lines = new Set();
while (lines.size < 1000) {
  const range = Array.from({ length: pick([1, 1, 2, 2, 3]) }, comparison).join(",");
  let mask = 0n;
  GRID.forEach((number, index) => {
    if (semver.satisfies(number, range.replaceAll(",", " "))) mask |= 1n << BigInt(index);
  });
  lines.add(`${range}\t${mask.toString(16)}`);
}
console.log(`# semver ${require(path.join(folder, "package.json")).version}, by npm_vectors.js`);
for (const line of lines) console.log(line);
