// Do two instances of `everything` that share a store act as one, also where the first one dies between ask and answer?
//
// `node --test` on this file, with INSTANCE_A and INSTANCE_B, their URLs, and INSTANCE_A_PID, which USR1 kills at once.
// The cases build on each other, as what A was asked must be asked before it is gone.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";

const { INSTANCE_A: a, INSTANCE_B: b, INSTANCE_A_PID: pid } = process.env;
const PATIENCE_MS = 60_000;
const TASKS = "io.modelcontextprotocol/tasks";
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const timeout = { timeout: 2 * PATIENCE_MS };

/** The messages and the ids of a stream of events, read until `enough` says so or it ends. */
async function events(response, enough = () => false) {
  const [messages, seen] = [[], { lastId: undefined, retry: 1000 }];
  let text = "";
  const reader = response.body.getReader();
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) break;
    text += Buffer.from(value).toString();
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      for (const line of text.slice(0, end).split("\n")) {
        const [field, content] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()];
        if (field === "id") seen.lastId = content;
        if (field === "retry") seen.retry = Number(content);
        if (field === "data" && content) messages.push(JSON.parse(content));
      }
    }
    if (enough(messages)) {
      await reader.cancel().catch(() => {});
      break;
    }
  }
  return { messages, ...seen };
}

async function post(url, headers, message) {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers },
    body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
}

/** The result of a request of 2026-07-28. */
async function modern(url, method, params, capabilities = { elicitation: {} }) {
  const headers = { "mcp-protocol-version": "2026-07-28", "mcp-method": method };
  const name = params.name ?? params.taskId;
  if (name) headers["mcp-name"] = name;
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": capabilities,
  };
  const response = await post(url, headers, { id: 1, method, params: { ...params, _meta } });
  const isStream = response.headers.get("content-type").startsWith("text/event-stream");
  const answer = isStream ? (await events(response)).messages.at(-1) : await response.json();
  assert.ok(answer.result, JSON.stringify(answer));
  return answer.result;
}

/** One client of 2025-11-25 in a session that `url` began. */
async function session(url) {
  const begin = { protocolVersion: "2025-11-25", capabilities: { elicitation: {} }, clientInfo: { name: "t", version: "1" } };
  const begun = await post(url, {}, { id: 0, method: "initialize", params: begin });
  const id = begun.headers.get("mcp-session-id");
  assert.ok(id, "there is a session");
  const headers = { "mcp-session-id": id, "mcp-protocol-version": "2025-11-25" };
  return {
    /** Calls a tool, and reads its stream up to what the client is asked. */
    async asked(at, name, args) {
      const response = await post(at, headers, { id: 7, method: "tools/call", params: { name, arguments: args } });
      const stream = await events(response, (messages) => messages.some((message) => message.method === "elicitation/create"));
      const ask = stream.messages.find((message) => message.method === "elicitation/create");
      assert.ok(ask, JSON.stringify(stream.messages));
      return { ...stream, ask };
    },
    async answer(at, ask, content) {
      const response = await post(at, headers, { id: ask.id, result: { action: "accept", content } });
      assert.equal(response.status, 202);
    },
    /** Comes back to a stream, again and again, until the call is answered. */
    async resumed(at, lastId) {
      for (const start = Date.now(); Date.now() - start < PATIENCE_MS; ) {
        const response = await fetch(at, {
          headers: { accept: "text/event-stream", "last-event-id": lastId, ...headers },
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        assert.equal(response.status, 200, await response.clone().text());
        const stream = await events(response, (messages) => messages.some((message) => message.id === 7));
        const answer = stream.messages.find((message) => message.id === 7);
        if (answer) return answer.result.content[0].text;
        lastId = stream.lastId ?? lastId;
        await later(stream.retry);
      }
      return assert.fail("the call was not answered");
    },
  };
}

async function ended(url, taskId) {
  for (const start = Date.now(); Date.now() - start < PATIENCE_MS; await later(500)) {
    const task = await modern(url, "tasks/get", { taskId }, { extensions: { [TASKS]: {} } });
    if (!["working", "input_required"].includes(task.status)) return task;
  }
  return assert.fail("the task did not end");
}

const accept = (content) => ({ action: "accept", content });

describe("two instances with one store", () => {
  const [first, step] = [{ name: "test_input_required_result_multi_round", arguments: {} }, { name: "test_step", arguments: { run: randomUUID() } }];
  let [suspended, stepped, client, call, stepCall, stepRun, task] = [];

  before(async () => {
    client = await session(a);
  });

  test("a modern client is asked by A and answers to B", timeout, async () => {
    const asked = await modern(a, "tools/call", { ...first });
    assert.equal(asked.resultType, "input_required");
    const again = { ...first, requestState: asked.requestState, inputResponses: { step1: accept({ name: "Ada" }) } };
    const second = await modern(b, "tools/call", again);
    assert.ok(second.inputRequests.step2, JSON.stringify(second));
  });

  test("a legacy client is asked by A and answers to B", timeout, async () => {
    const { ask, lastId } = await client.asked(a, "test_elicitation", { message: "?" });
    await client.answer(b, ask, { username: "ada", email: "a@b.c" });
    assert.match(await client.resumed(a, lastId), /"username":"ada"/);
  });

  test("A asks, modern and legacy, and in a task", timeout, async () => {
    suspended = await modern(a, "tools/call", { ...first });
    stepped = await modern(a, "tools/call", { ...step });
    call = await client.asked(a, "test_elicitation", { message: "?" });
    stepRun = randomUUID();
    stepCall = await client.asked(a, "test_step", { run: stepRun });
    const able = { elicitation: {}, extensions: { [TASKS]: {} } };
    task = await modern(a, "tools/call", { name: "confirm_delete", arguments: { filename: "notes" } }, able);
    if (task.resultType === "input_required") task = undefined; // no tasks here
  });

  test("A is killed", timeout, async () => {
    process.kill(Number(pid), "SIGUSR1");
    for (const start = Date.now(); Date.now() - start < PATIENCE_MS; await later(100)) {
      if (!(await fetch(a).catch(() => null))) return;
    }
    assert.fail("A still answers");
  });

  test("the modern call goes on with B to its end", timeout, async () => {
    const one = accept({ name: "Ada" });
    const asked = await modern(b, "tools/call", { ...first, requestState: suspended.requestState, inputResponses: { step1: one } });
    const two = { requestState: asked.requestState, inputResponses: { step2: accept({ color: "green" }) } };
    const done = await modern(b, "tools/call", { ...first, ...two });
    assert.equal(done.content[0].text, "Ada likes green.");
  });

  test("the legacy call goes on with B to its end", timeout, async () => {
    await client.answer(b, call.ask, { username: "ada", email: "a@b.c" });
    assert.match(await client.resumed(b, call.lastId), /"username":"ada"/);
  });

  test("what was done once is not done again, in either era", timeout, async () => {
    const responses = { inputResponses: { go_on: accept({ value: true }) } };
    const done = await modern(b, "tools/call", { ...step, requestState: stepped.requestState, ...responses });
    assert.equal(done.content[0].text, "The step ran 1 times.");
    await client.answer(b, stepCall.ask, { value: true });
    assert.equal(await client.resumed(b, stepCall.lastId), "The step ran 1 times.");
  });

  test("the task goes on with B to its end", timeout, async (context) => {
    if (!task) return context.skip("no tasks are offered here");
    const inputResponses = { confirm: accept({ confirm: true }) };
    for (const start = Date.now(); Date.now() - start < PATIENCE_MS; await later(500)) {
      const now = await modern(b, "tasks/get", { taskId: task.taskId }, { extensions: { [TASKS]: {} } });
      if (now.status === "input_required") break;
    }
    await modern(b, "tasks/update", { taskId: task.taskId, inputResponses }, { extensions: { [TASKS]: {} } });
    const done = await ended(b, task.taskId);
    assert.equal(done.result?.content[0].text, "Deleted notes.", JSON.stringify(done));
  });
});
