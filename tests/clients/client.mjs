// Does the TypeScript client get from the calculator what its definition says? Usage: client.mjs URL auto|legacy
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

const client = new Client({ name: "edgemcp-tests", version: "1" }, { versionNegotiation: { mode } });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const version = client.getNegotiatedProtocolVersion();
assert.equal(version, mode === "auto" ? "2026-07-28" : "2025-11-25");
assert.equal(client.getServerVersion().name, "calculator");

const { tools } = await client.listTools();
assert.deepEqual(tools.map((tool) => tool.name).sort(), ["add", "count", "divide"]);
for (const tool of tools) assert.ok(tool.description, `${tool.name} has no description`);

const five = await client.callTool({ name: "add", arguments: { a: 2, b: 3 } });
assert.ok(!five.isError);
assert.deepEqual(five.content.map((block) => block.text), ["5"]);
assert.deepEqual(five.structuredContent, { result: 5 });

// What a model sees when it divides by zero: a sentence, no stack, no type name.
const zero = await client.callTool({ name: "divide", arguments: { a: 1, b: 0 } });
assert.equal(zero.isError, true);
assert.match(zero.content[0].text, /zero/);
assert.doesNotMatch(zero.content[0].text, /panicked|::/);

const wrong = await client.callTool({ name: "add", arguments: { a: "two", b: 3 } });
assert.equal(wrong.isError, true);
// The path, what came, and what was expected.
for (const part of ["`a`", '"two"', "expected"]) assert.ok(wrong.content[0].text.includes(part), wrong.content[0].text);

const counted = async () => (await client.callTool({ name: "count", arguments: {} })).structuredContent.result;
const before = await counted();
assert.equal(await counted(), before + 1);

const { resources } = await client.listResources();
assert.ok(resources.length > 0, "no resource is listed");
for (const { uri } of resources) {
  const { contents } = await client.readResource({ uri });
  assert.ok(contents[0].text, `${uri} is empty`);
}

const { resourceTemplates } = await client.listResourceTemplates();
assert.ok(resourceTemplates.length > 0, "no template is listed");
for (const { uriTemplate } of resourceTemplates) {
  const uri = uriTemplate.replaceAll(/\{[^}]*\}/g, "7");
  const { contents } = await client.readResource({ uri });
  assert.equal(contents[0].uri, uri);
  assert.ok(contents[0].text, `${uri} is empty`);
}

const { prompts } = await client.listPrompts();
assert.ok(prompts.length > 0, "no prompt is listed");
for (const prompt of prompts) {
  const values = Object.fromEntries((prompt.arguments ?? []).map((argument) => [argument.name, "7"]));
  const { messages } = await client.getPrompt({ name: prompt.name, arguments: values });
  assert.ok(messages[0].content.text, `the prompt ${prompt.name} is empty`);
}

// This client tells both eras' codes of a missing resource (-32602 and -32002) as one.
await assert.rejects(client.readResource({ uri: "calculator://no/such/thing" }), { code: -32602 });

await client.close();
console.log(`${version}, ${tools.length} tools`);
