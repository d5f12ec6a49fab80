// Writes a .gz beside each file of the build, prints what a first visit loads, and fails beyond the budget.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";

const DIST = new URL("../dist/", import.meta.url).pathname;
const BUDGET_KB = 300;
const PACKED = /\.(html|js|css|svg|json)$/;

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else yield path;
  }
}

let total = 0;
for (const path of [...files(DIST)].filter((one) => PACKED.test(one)).sort()) {
  const packed = gzipSync(readFileSync(path), { level: 9 });
  writeFileSync(`${path}.gz`, packed);
  total += packed.length;
  console.log(`${(packed.length / 1000).toFixed(1).padStart(8)} kB gzip  ${relative(DIST, path)}`);
}
console.log(`${(total / 1000).toFixed(1).padStart(8)} kB gzip  in all; the budget is ${BUDGET_KB} kB`);
if (total > BUDGET_KB * 1000) {
  console.error("The bundle is larger than its budget: see apps/README.md, 'Budget'.");
  process.exit(1);
}
