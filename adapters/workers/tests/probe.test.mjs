// What does the Workers adapter do inside workerd? Asked from outside, of tests/probe-worker: `node --test` on this file.
// It needs wrangler, worker-build and the wasm target on the machine (deploy/toolchain/install workers, env.sh).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { createServer as createHttpServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";

const READY_WITHIN_MS = 600_000; // it builds the Worker first
const BODY_BYTES_MAX = 4 * 1024 * 1024;
const OBJECT_VALUE_BYTES_MAX = 2_000_000 - 256;

/** A port that was free a moment ago. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** `wrangler dev` on the probe, once it answers; `log` is what it has printed so far, `folder` where it keeps things. */
async function wrangler(...more) {
  return wranglerIn(await mkdtemp(join(tmpdir(), "probe-")), ...more);
}

async function wranglerIn(folder, ...more) {
  const [port, inspector] = [await freePort(), await freePort()];
  const origin = `http://127.0.0.1:${port}`;
  const child = spawn(
    "wrangler",
    ["dev", "--local", "--ip", "127.0.0.1", "--port", port, "--inspector-port", inspector, "--persist-to", folder, ...more],
    {
      cwd: join(import.meta.dirname, "probe-worker"),
      env: { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false" },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const probe = { origin, port, folder, log: "" };
  let ended = false;
  const exited = new Promise((resolve) => child.on("exit", () => resolve((ended = true))));
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (probe.log += piece));
  probe.end = async () => {
    if (!ended) process.kill(-child.pid, "SIGTERM");
    await exited;
  };
  probe.stop = async () => {
    await probe.end();
    await rm(folder, { recursive: true, force: true });
  };
  for (const start = Date.now(); ; await new Promise((resolve) => setTimeout(resolve, 200))) {
    if (await fetch(origin).catch(() => null)) return probe;
    if (ended || Date.now() - start > READY_WITHIN_MS) {
      await probe.stop();
      throw new Error(`wrangler dev did not come up:\n${probe.log}`);
    }
  }
}

/** What comes back for bytes that no HTTP client would send. */
function raw(port, bytes) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    let answer = "";
    socket.setEncoding("latin1");
    socket.on("data", (piece) => (answer += piece));
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

/** Waits for a line of the log, which comes through another pipe than the answer. */
async function logged(probe, line) {
  for (const start = Date.now(); Date.now() - start < 10_000; await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (line.test(probe.log)) return;
  }
  assert.match(probe.log, line);
}

/** Asks again until the answer is `status`, for what happens after an answer. */
async function eventually(status, ask) {
  for (const start = Date.now(); Date.now() - start < 10_000; ) {
    const answer = await ask();
    if (answer.status === status) return answer;
  }
  assert.fail(`no ${status} within 10 s`);
}

/** A number and a text as a request to an object has them, and its answer where there is no entry. */
const u64 = (number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(number));
  return bytes;
};
const text = (bytes) => Buffer.concat([u64(bytes.length), Buffer.from(bytes)]);
const NOTHING = Buffer.from([1]);

/** What the object of the probe's entries answers to a request that is made by hand. */
async function askRaw(probe, operation, ...parts) {
  const body = Buffer.concat([u64(Date.now()), ...parts]);
  const answer = await fetch(`${probe.origin}/raw?${operation}`, { method: "POST", body });
  const [ok, ...bytes] = new Uint8Array(await answer.arrayBuffer());
  return ok ? Buffer.from(bytes) : "refused";
}

/** What comes back for a request of MCP: `ping` of 2025-11-25, `server/discover` of 2026-07-28. */
async function mcp(probe, method) {
  const revision = method === "ping" ? "2025-11-25" : "2026-07-28";
  const _meta = { "io.modelcontextprotocol/protocolVersion": revision, "io.modelcontextprotocol/clientCapabilities": {} };
  const params = method === "ping" ? {} : { _meta };
  const headers = { "content-type": "application/json", "mcp-protocol-version": revision, "mcp-method": method };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const answer = await fetch(`${probe.origin}/mcp`, { method: "POST", headers, body });
  const { error } = await answer.json();
  return { status: answer.status, error, retryAfter: answer.headers.get("retry-after") };
}

/** What this crate has made in each object's database, by the name of its file; Workers and wrangler make tables too. */
async function databases(folder) {
  const names = await readdir(folder, { recursive: true });
  const tables = new Map();
  for (const name of names.filter((name) => /EdgemcpObject.*\.sqlite$/.test(name))) {
    const database = new DatabaseSync(join(folder, name), { readOnly: true });
    const rows = database.prepare("SELECT name FROM sqlite_master WHERE name LIKE 'entries%'").all();
    tables.set(name, rows.map((row) => row.name));
    database.close();
  }
  return tables;
}

/** Lets SQLite refuse an item in every database that has entries, which only something that is not the store can do. */
async function refuseInserts(folder, item) {
  for (const [name, tables] of await databases(folder)) {
    if (!tables.includes("entries")) continue;
    const database = new DatabaseSync(join(folder, name));
    database.exec(
      `CREATE TRIGGER refuse BEFORE INSERT ON entries WHEN new.item = '${item}' BEGIN SELECT raise(ABORT, 'no ${item}'); END`,
    );
    database.close();
  }
}

describe("a Worker made by export!", () => {
  let probe;
  before(async () => (probe = await wrangler()), { timeout: READY_WITHIN_MS });
  after(() => probe?.stop());

  test("method, absolute URL and every byte of a header reach the server, and headers of one name come back apart", async () => {
    const answer = await raw(
      probe.port,
      Buffer.from(`GET /plain?a=b%20c HTTP/1.1\r\nHost: probe\r\nX-Name: J\u00fcrgen\r\nConnection: close\r\n\r\n`, "utf8"),
    );
    assert.match(answer, /^HTTP\/1.1 200 /);
    assert.match(Buffer.from(answer, "latin1").toString(), /GET http:\/\/[^ ]+\/plain\?a=b%20c Jürgen/);
    // `wrangler dev` compresses, and a compressed answer has no length.
    const got = await fetch(`${probe.origin}/plain`, { headers: { "accept-encoding": "identity" } });
    assert.deepEqual(got.headers.getSetCookie(), ["a=1", "b=2"]);
    assert.ok(Number(got.headers.get("content-length")) > 0, "bytes go out as bytes, with their length");
  });

  test("a method that nobody knows is no GET", async () => {
    // workerd knows PROPFIND and REPORT, workers-rs knows PATCH, nobody knows FOO.
    for (const method of ["FOO", "PATCH", "REPORT", "PROPFIND"]) {
      const answer = await raw(probe.port, `${method} /plain HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n`);
      assert.match(answer, /^HTTP\/1.1 (405|501) /, `${method}: ${answer}`);
    }
  });

  test("a body of exactly the limit is taken, byte for byte", async () => {
    const body = Buffer.alloc(BODY_BYTES_MAX, Uint8Array.from({ length: 251 }, (_, i) => i));
    const answer = await fetch(`${probe.origin}/echo`, { method: "POST", body });
    assert.equal(answer.status, 200);
    assert.ok(body.equals(Buffer.from(await answer.arrayBuffer())));
  });

  test("a body that announces one byte more is refused", async () => {
    const body = Buffer.alloc(BODY_BYTES_MAX + 1);
    assert.equal((await fetch(`${probe.origin}/echo`, { method: "POST", body })).status, 413);
  });

  test("a body that announces no length is refused once it is too long", async () => {
    const pieces = async function* () {
      for (let sent = 0; sent <= BODY_BYTES_MAX; sent += 65_536) yield Buffer.alloc(65_536);
    };
    const answer = await fetch(`${probe.origin}/echo`, { method: "POST", body: ReadableStream.from(pieces()), duplex: "half" });
    assert.equal(answer.status, 413);
  });

  test("a body in pieces arrives whole", async () => {
    const pieces = ReadableStream.from([Buffer.from("one "), Buffer.from("two "), Buffer.from("three")]);
    const answer = await fetch(`${probe.origin}/echo`, { method: "POST", body: pieces, duplex: "half" });
    assert.equal(await answer.text(), "one two three");
  });

  test("a streamed answer arrives piece by piece", async () => {
    const answer = await fetch(`${probe.origin}/stream`);
    const [pieces, at] = [[], []];
    for await (const piece of answer.body) {
      pieces.push(Buffer.from(piece).toString());
      at.push(Date.now());
    }
    assert.deepEqual(pieces, ["piece 0\n", "piece 1\n", "piece 2\n"]);
    assert.ok(at[2] - at[0] > 500, `the last came ${at[2] - at[0]} ms after the first, which slept 800 ms`);
  });

  test("a sleep wakes whoever waits for it, and not who began it", { timeout: 20_000 }, async () => {
    assert.equal(await (await fetch(`${probe.origin}/handed-on`)).text(), "woken");
  });

  test("a client that goes away ends what it waits for", { timeout: 20_000 }, async () => {
    const going = new AbortController();
    const answer = await fetch(`${probe.origin}/waiting`, { signal: going.signal });
    await answer.body.getReader().read();
    assert.doesNotMatch(probe.log, /nobody waits any more/);
    going.abort();
    // workerd notices when it next sends something.
    await logged(probe, /nobody waits any more/);
  });

  test("nothing of an answered request stays in the isolate, nor of one whose client has gone", { timeout: 60_000 }, async () => {
    const ask = async (path) => (await fetch(`${probe.origin}${path}`)).text();
    const leave = async () => {
      const going = new AbortController();
      await fetch(`${probe.origin}/waiting`, { signal: going.signal });
      going.abort();
    };
    await Promise.all([ask("/plain"), ask("/stream"), leave()]);
    const held = Number(await ask("/held"));
    for (let times = 0; times < 20; times++) await Promise.all([ask("/plain"), ask("/stream"), leave()]);
    // The last to leave may not be noticed yet.
    assert.ok(Number(await ask("/held")) < held + 20, `more than ${held}`);
  });

  test("a stream that breaks off ends the answer, and the reason stays in the log", async () => {
    const answer = await fetch(`${probe.origin}/broken-stream`);
    const text = await answer.text().catch((error) => String(error));
    assert.doesNotMatch(text, /the wire was cut/);
    await logged(probe, /the wire was cut/);
  });

  test("a 204 has no body, whatever the server gave it", async () => {
    const answer = await fetch(`${probe.origin}/nothing`);
    assert.equal(answer.status, 204);
    assert.equal(await answer.text(), "");
  });

  test("vars are read as text, and a binding or a name of JavaScript's is none", async () => {
    const read = async (name) => {
      const answer = await fetch(`${probe.origin}/var?${name}`);
      return answer.status === 200 ? answer.text() : answer.status;
    };
    assert.equal(await read("GREETING"), "Grüß Gott");
    assert.equal(await read("LIMIT"), "12");
    assert.equal(await read("STRICT"), "true");
    for (const none of ["MISSING", "EDGEMCP_STORE", "constructor", "toString"]) assert.equal(await read(none), 404, none);
  });

  test("an icon's file cannot be read here, and why says how it gets into the Worker", async () => {
    const answer = await fetch(`${probe.origin}/icon-file`);
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /^"logo\.png" cannot be read, since there are no files on this platform: .*`include_icon!\("…"\)`/);
  });

  test("a log level that is none is said once, and what is logged is text from info on", async () => {
    for (const what of ["one", "two"]) await fetch(`${probe.origin}/log`, { method: "POST", body: what });
    await logged(probe, /error two/);
    for (const line of ["info one", "warning one", "error one"]) assert.ok(probe.log.includes(line), line);
    assert.doesNotMatch(probe.log, /debug one|"message"/);
    assert.equal(probe.log.match(/`EDGEMCP_LOG` is "loud"; it takes `debug`/g).length, 1);
  });

  test("randomness of more than one quota is random to its end", async () => {
    const draw = async () => Buffer.from(await (await fetch(`${probe.origin}/random`)).arrayBuffer());
    const [one, two] = [await draw(), await draw()];
    assert.equal(one.length, 100_000);
    assert.ok(!one.equals(two));
    assert.ok(one.subarray(-64).some((byte) => byte !== 0), "the last bytes were filled too");
  });

  test("what is put into the store comes back", async () => {
    const put = await fetch(`${probe.origin}/entry`, { method: "PUT", body: "kept" });
    assert.equal(put.status, 204);
    assert.equal(await (await fetch(`${probe.origin}/entry`)).text(), "kept");
  });

  test("a partition of more names than KV gives at a time is listed whole, from its start and from within", async () => {
    const count = 1_100;
    const all = Array.from({ length: count }, (_, number) => String(number).padStart(5, "0"));
    assert.equal((await fetch(`${probe.origin}/many`, { method: "POST", body: String(count) })).status, 204);
    const list = async (query) => (await (await fetch(`${probe.origin}/many${query}`)).text()).split(" ");
    assert.deepEqual(await list(""), all);
    assert.deepEqual(await list("?00950"), all.slice(951));
    assert.deepEqual(await list("?01040-and-a-half"), all.slice(1_041));
  });

  test("work goes on after the answer", async () => {
    assert.equal((await fetch(`${probe.origin}/later`, { method: "POST", body: "afterwards" })).status, 202);
    await eventually(200, async () => {
      const answer = await fetch(`${probe.origin}/entry`);
      return (await answer.text()) === "afterwards" ? answer : { status: 0 };
    });
  });

  test("an answer may be held open for a quarter of an hour", async () => {
    assert.equal(await (await fetch(`${probe.origin}/hold`)).text(), "900");
  });

  describe("beside KV has Durable Objects", () => {
    test("which are the strong store, and KV stays the store", async () => {
      assert.equal((await fetch(`${probe.origin}/entry`, { method: "PUT", body: "in KV" })).status, 204);
      assert.equal((await fetch(`${probe.origin}/strong`, { method: "PUT", body: "in an object" })).status, 204);
      assert.equal(await (await fetch(`${probe.origin}/entry`)).text(), "in KV");
      assert.equal(await (await fetch(`${probe.origin}/strong`)).text(), "in an object");
    });

    test("and one request hears of what another changes", async () => {
      const answer = await fetch(`${probe.origin}/watch`);
      const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      assert.equal((await lines.read()).value, "listening\n");
      assert.equal((await fetch(`${probe.origin}/strong`, { method: "PUT", body: "changed" })).status, 204);
      assert.equal((await lines.read()).value, "one\n");
      await lines.cancel();
    });

    test("and what has ended is deleted, and so is the whole database once nothing is left in it", async () => {
      const before = await databases(probe.folder);
      assert.equal((await fetch(`${probe.origin}/ended`, { method: "PUT", body: "gone soon" })).status, 204);
      await eventually(404, () => fetch(`${probe.origin}/ended`));
      const after = await databases(probe.folder);
      const [own] = [...after.keys()].filter((name) => !before.has(name));
      assert.ok(own, "the entry has an object of its own");
      assert.deepEqual(after.get(own), []);
      assert.ok([...after.values()].flat().includes("entries"), "the object of the other tests keeps its table");
    });

    test("and a page of large values ends early, with the rest on the next", async () => {
      const answer = await fetch(`${probe.origin}/large`, { method: "POST", body: "6" });
      assert.equal(await answer.text(), "5 1", "past 8 MiB a page ends");
    });

    test("and takes and gives many entries at once, in as many requests as an object needs", async () => {
      const batch = async (count, bytes) => {
        const answer = await fetch(`${probe.origin}/batch`, { method: "POST", body: `${count} ${bytes}` });
        assert.equal(await answer.text(), `${count} of ${count}`);
      };
      await batch(3100, 3); // more than one request names
      await batch(9, OBJECT_VALUE_BYTES_MAX); // more than one request and one answer carry
      await batch(2, 0);
    });

    test("and a transaction is as large as two values, and not a byte larger", async () => {
      const transact = async (count, bytes) =>
        (await fetch(`${probe.origin}/transaction`, { method: "POST", body: `${count} ${bytes}` })).text();
      assert.equal(await transact(2, 2 * OBJECT_VALUE_BYTES_MAX), "true");
      assert.equal(await transact(25, 2 * OBJECT_VALUE_BYTES_MAX), "true");
      assert.equal(await transact(25, 2 * OBJECT_VALUE_BYTES_MAX + 1), "TooLarge");
    });

    test("and who watches hears of each item of a transaction, once it has happened", async () => {
      const answer = await fetch(`${probe.origin}/watch`);
      const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      assert.equal((await lines.read()).value, "listening\n");
      const done = await fetch(`${probe.origin}/transaction`, { method: "POST", body: "3 6" });
      assert.equal(await done.text(), "true");
      let told = "";
      while (told.split("\n").length < 4) told += (await lines.read()).value;
      assert.equal(told, "item-0\nitem-1\nitem-2\n");
      await lines.cancel();
    });

    test("and refuse work that another version asks for, and what is no request", async () => {
      const item = text("nothing");
      assert.equal(await askRaw(probe, "rename", item), "refused");
      assert.equal(await askRaw(probe, "get_many", u64(1)), "refused");
      assert.equal(await askRaw(probe, "get_many", u64(1001), ...Array(1001).fill(item)), "refused");
      // More than an object reads, and not more than the probe.
      assert.equal(await askRaw(probe, "get_many", u64(1), text(Buffer.alloc(4_192_000, "x"))), "refused");
      assert.deepEqual(await askRaw(probe, "get", item), NOTHING);
      assert.deepEqual(await askRaw(probe, "get_many", u64(2), item, item), Buffer.concat([Buffer.from([7]), u64(2), Buffer.alloc(2)]));
    });

    test("and how they fail is told apart", async () => {
      const kind = async (way) => (await fetch(`${probe.origin}/failing?${way}`)).text();
      assert.equal(await kind("overloaded"), "Throttled");
      assert.equal(await kind("retryable"), "Unavailable");
      for (const other of ["answering", "refusing", "being-kv"]) assert.equal(await kind(other), "Denied", other);
    });
  });

  describe("limits requests", () => {
    test("by the rate limiter that Workers have themselves", async () => {
      const answers = [];
      for (let count = 0; count < 5; count++) answers.push(await mcp(probe, "ping"));
      assert.deepEqual(answers.map(({ error }) => error?.code), [undefined, undefined, undefined, -32000, -32000]);
      assert.equal(answers[4].error.message, "Rate limit exceeded for client: anonymous");
      assert.deepEqual([answers[4].error.data, answers[4].retryAfter], [{ retryAfter: 60 }, "60"]);
    });

    test("by Durable Objects, of those that come at once exactly as many as may", async () => {
      const answers = await Promise.all(Array.from({ length: 30 }, () => mcp(probe, "server/discover")));
      const statuses = answers.map(({ status }) => status).sort();
      assert.deepEqual(statuses, [...Array(5).fill(200), ...Array(25).fill(429)]);
    });
  });

  describe("asks others", () => {
    let other, address;
    before(async () => {
      other = createHttpServer((request, response) => {
        if (request.url === "/elsewhere") response.writeHead(302, { location: "/" }).end();
        else if (request.url === "/large") response.end(Buffer.alloc(8 * 1024 * 1024 + 1));
        else response.writeHead(418, { "x-other": "yes" }).end("short and stout");
      }).listen(0, "127.0.0.1");
      await new Promise((resolve) => other.once("listening", resolve));
      address = `http://127.0.0.1:${other.address().port}`;
    });
    after(() => other.close());

    test("and hands on status, headers and body, a 4xx being an answer", async () => {
      const answer = await fetch(`${probe.origin}/outside?${address}/`);
      assert.equal(answer.status, 418);
      assert.equal(answer.headers.get("x-other"), "yes");
      assert.equal(await answer.text(), "short and stout");
    });

    test("and follows no redirect", async () => {
      const answer = await fetch(`${probe.origin}/outside?${address}/elsewhere`, { redirect: "manual" });
      assert.equal(answer.status, 302);
    });

    test("and stops at an answer that is too large", async () => {
      const answer = await fetch(`${probe.origin}/outside?${address}/large`);
      assert.equal(answer.status, 502);
      assert.match(await answer.text(), /larger than 8388608 bytes/);
    });

    test("and says when nobody is there, or it is no address", async () => {
      const nobody = await fetch(`${probe.origin}/outside?http://127.0.0.1:${await freePort()}/`);
      assert.match(await nobody.text(), /the connection failed/);
      const none = await fetch(`${probe.origin}/outside?ftp://example.org/`);
      assert.match(await none.text(), /must start with https/);
      const named = await (await fetch(`${probe.origin}/outside?${address.replace("//", "//ada:hunter2@")}/`)).text();
      assert.match(named, /holds a user name/);
      assert.doesNotMatch(named, /hunter2/);
    });
  });
});

describe("a Worker with Durable Objects and no KV", () => {
  let probe;
  before(
    async () => {
      probe = await wrangler();
      assert.equal((await fetch(`${probe.origin}/strong`, { method: "PUT", body: "kept" })).status, 204);
      await probe.end();
      await refuseInserts(probe.folder, "item-1");
      probe = await wranglerIn(probe.folder, "--env", "objects");
    },
    { timeout: 2 * READY_WITHIN_MS },
  );
  after(() => probe?.stop());

  test("has them as its store, and what was put before it was started again is there", async () => {
    assert.equal(await (await fetch(`${probe.origin}/entry`)).text(), "kept");
  });

  test("takes back all of a transaction of which SQLite refuses one write, and tells nobody of it", async () => {
    const answer = await fetch(`${probe.origin}/watch`);
    const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await lines.read()).value, "listening\n");
    const transact = async (count) =>
      (await fetch(`${probe.origin}/transaction`, { method: "POST", body: `${count} 6` })).text();
    assert.equal(await transact(3), "Unavailable");
    for (const item of ["item-0", "item-1", "item-2"]) assert.deepEqual(await askRaw(probe, "get", text(item)), NOTHING);
    assert.equal((await fetch(`${probe.origin}/strong`, { method: "PUT", body: "kept" })).status, 204);
    assert.equal((await lines.read()).value, "one\n");
    assert.equal(await transact(1), "true", "what it refuses is not the object's end");
    assert.notDeepEqual(await askRaw(probe, "get", text("item-0")), NOTHING);
    await lines.cancel();
  });

  test("logs as its vars say: JSON, from a level on", async () => {
    await fetch(`${probe.origin}/log`, { method: "POST", body: 'a "b"\nc' });
    await logged(probe, /error a/);
    const lines = [...probe.log.matchAll(/\{"timestamp".*\}/g)].map(([line]) => JSON.parse(line));
    const told = lines.map(({ level, message }) => [level, message]);
    assert.deepEqual(told, [["warn", 'warning a "b"\nc'], ["error", 'error a "b"\nc']]);
    for (const { timestamp } of lines) assert.equal(new Date(timestamp).toISOString(), timestamp);
  });

  test("and where no rate limiter is bound the request fails, and the log says the way out", async () => {
    assert.equal((await mcp(probe, "ping")).error.code, -32603);
    await logged(probe, /`CALLS` is bound to no rate limiter \(add `\[\[ratelimits\]\]`/);
  });
});

describe("a Worker whose definition is wrong", () => {
  let probe;
  before(async () => (probe = await wrangler("--env", "broken")), { timeout: READY_WITHIN_MS });
  after(() => probe?.stop());

  test("answers every request with a 500, and its log says what is wrong", async () => {
    for (const path of ["/", "/plain", "/mcp"]) {
      const answer = await fetch(`${probe.origin}${path}`);
      assert.equal(answer.status, 500);
      assert.match(await answer.text(), /the definition of this server is wrong/);
    }
    await logged(probe, /the server is not built:[^]*two routes answer GET \/plain/);
  });
});
