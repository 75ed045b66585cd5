// Is the TypeScript client asked for input, a model's words and roots, and told of progress? Usage: asked.mjs URL auto|legacy
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// The package lives with the pinned tools, not in this checkout.
const require = createRequire(join(process.env.EDGEMCP_NPM_DIR, "package.json"));
const { Client, StreamableHTTPClientTransport } = await import(
  pathToFileURL(require.resolve("@modelcontextprotocol/client")).href
);

const [url, mode] = process.argv.slice(2);
const DEADLINE_S = 60;
setTimeout(() => {
  console.error(`not done after ${DEADLINE_S} s`);
  process.exit(1);
}, DEADLINE_S * 1000).unref();

const client = new Client(
  { name: "edgemcp-tests", version: "1" },
  { versionNegotiation: { mode }, capabilities: { elicitation: {}, sampling: {}, roots: {} } },
);

const values = { username: "ada", email: "ada@example.com", name: "Ada", color: "green" };
const asked = [];
let declines = false;
client.setRequestHandler("elicitation/create", ({ params }) => {
  asked.push("elicitation");
  if (declines) return { action: "decline" };
  const names = Object.keys(params.requestedSchema.properties);
  return { action: "accept", content: Object.fromEntries(names.map((name) => [name, values[name]])) };
});
client.setRequestHandler("sampling/createMessage", () => {
  asked.push("sampling");
  return { role: "assistant", content: { type: "text", text: "Paris" }, model: "none", stopReason: "endTurn" };
});
client.setRequestHandler("roots/list", () => {
  asked.push("roots");
  return { roots: [{ uri: "file:///work", name: "work" }] };
});

await client.connect(new StreamableHTTPClientTransport(new URL(url)));
assert.equal(client.getNegotiatedProtocolVersion(), mode === "auto" ? "2026-07-28" : "2025-11-25");

async function text(name, args = {}, options) {
  const result = await client.callTool({ name, arguments: args }, options);
  assert.ok(!result.isError, JSON.stringify(result));
  return result.content[0].text;
}

assert.match(await text("test_elicitation", { message: "Who are you?" }), /action=accept.*ada@example\.com/);
declines = true;
assert.match(await text("test_elicitation", { message: "And now?" }), /action=decline/);
declines = false;
assert.equal(await text("test_sampling", { prompt: "Capital?" }), "LLM response: Paris");
assert.match(await text("test_input_required_result_list_roots"), /file:\/\/\/work/);

asked.length = 0;
assert.equal(await text("test_input_required_result_multi_round"), "Ada likes green.");
assert.deepEqual(asked, ["elicitation", "elicitation"]);

asked.length = 0;
assert.equal(await text("test_input_required_result_multiple_inputs"), "Ada: Paris (1 roots)");
assert.deepEqual(asked.toSorted(), ["elicitation", "roots", "sampling"]);

const reports = [];
await text("test_tool_with_progress", {}, { onprogress: (report) => reports.push(report) });
assert.deepEqual(reports.map((report) => report.progress), [0, 50, 100]);
assert.ok(reports.every((report) => report.total === 100));

await client.close();
console.log(`${mode}: asked and told`);
// The client leaves the timer of a stream that it would have come back to.
process.exit();
