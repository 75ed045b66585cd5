// What did a run of the official suite come to? One line per scenario that did not pass, and one for the whole.
//
// node score.mjs TARGET REVISION RESULTS EXPECTED CODE TALLY
//   RESULTS   the suite's output folder, with server-<scenario>-<time>/checks.json
//   EXPECTED  the expected-failures file it was given
//   CODE      its exit code, which must agree with what is found here
//   TALLY     where `passed failed` is added
//
// A scenario passes when it ran and no check of it is FAILURE or WARNING, the suite's own rule where it is given an
// expected-failures file; those that the suite runs without scoring them are judged alike. A failure that the file lists is not counted as failed, nor as passed; a listed scenario
// that passes is counted as failed, so that the file can only shrink.
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";

const [target, revision, results, expectedFile, code, tally] = process.argv.slice(2);

/** The scenarios of this revision's server set, and those that run without counting. */
function requirements() {
  const text = execFileSync("conformance", ["list", "--requirements", revision], { encoding: "utf8" });
  const section = text.match(/^Server scenarios[^\n]*\n((?: +- .*\n)+)/m);
  if (!section) throw new Error(`\`conformance list --requirements ${revision}\` has no server scenarios:\n${text}`);
  const scored = section[1].match(/(?<=- )\S+/g);
  const notScored = [...text.matchAll(/^ +- (\S+) \[server\]$/gm)].map((match) => match[1]);
  return { scored, notScored };
}

/** Every check of a scenario, or null where it left no result. */
function checks(scenario) {
  const folder = new RegExp(`^server-${scenario}-\\d{4}-\\d\\d-\\d\\dT[\\d-]+Z$`);
  const found = existsSync(results) ? readdirSync(results).filter((name) => folder.test(name)) : [];
  return found.length === 1 ? JSON.parse(readFileSync(join(results, found[0], "checks.json"), "utf8")) : null;
}

/** The entries of the expected-failures file: `- scenario` or `- scenario:check`, each with its reason behind a `#`. */
function expectedFailures() {
  const text = readFileSync(expectedFile, "utf8");
  return [...text.matchAll(/^ *- ([^\s#:]+)(?::(\S+))?/gm)].map(([, scenario, check]) => ({ scenario, check }));
}

/** What is to be said of one scenario: passed, expected, or failed and why. */
function judge(scenario, entries) {
  const all = checks(scenario);
  if (!all) return { failed: "it left no result" };
  const wrong = all.filter((check) => check.status === "FAILURE" || check.status === "WARNING");
  const listed = entries.filter((entry) => entry.scenario === scenario);
  const excused = (check) => listed.some((entry) => entry.check === undefined || entry.check === check.id);
  const stale = listed.filter((entry) => {
    const of = all.filter((check) => entry.check === undefined || check.id === entry.check);
    return of.length > 0 && of.some((check) => check.status === "SUCCESS") && !of.some((check) => wrong.includes(check));
  });
  if (stale.length > 0) return { failed: `it passes and is still listed in ${expectedFile}: strike it` };
  const unexpected = wrong.filter((check) => !excused(check));
  if (unexpected.length > 0) {
    return { failed: unexpected.map((check) => `${check.status} ${check.id}: ${check.errorMessage ?? check.description}`).join("\n          ") };
  }
  return wrong.length > 0 ? { expected: true } : { passed: true };
}

const { scored, notScored } = requirements();
const entries = expectedFailures();
const counts = { passed: 0, failed: 0, known: 0 };

/** Judges these scenarios, tells of those that failed, and says how many passed. */
function count(scenarios) {
  let good = 0;
  for (const scenario of scenarios) {
    const verdict = judge(scenario, entries);
    if (verdict.passed) good += 1;
    else if (verdict.expected) counts.known += 1;
    else {
      counts.failed += 1;
      console.log(`  FAILED  ${scenario}: ${verdict.failed}`);
    }
  }
  counts.passed += good;
  return good;
}

const good = count(scored);
const goodBeside = count(notScored);
for (const { scenario } of entries) {
  if (scored.includes(scenario) || notScored.includes(scenario)) continue;
  counts.failed += 1;
  console.log(`  FAILED  ${expectedFile} lists "${scenario}", which ${revision} does not have: strike it`);
}
if (counts.known > 0) {
  console.log(`  known   ${counts.known} scenarios do not pass yet, each with its reason in ${relative("", expectedFile)}`);
}
if (counts.failed === 0 && code !== "0") {
  counts.failed += 1;
  console.log(`  FAILED  the suite itself ended with exit code ${code}, and nothing here says why`);
}
const skipped = notScored.filter((scenario) => checks(scenario)?.every((check) => check.status === "SKIPPED"));
console.log(`conformance ${target} ${revision}: ${good}/${scored.length} scenarios`);
console.log(`  not scored: ${goodBeside}/${notScored.length} pass (${notScored.join(", ")})`);
if (skipped.length > 0) console.log(`  the suite itself skips ${skipped.join(", ")}`);
appendFileSync(tally, `${counts.passed} ${counts.failed}\n`);
process.exitCode = counts.failed === 0 ? 0 : 1;
