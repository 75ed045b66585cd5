// How a KV namespace looks from far away: nothing written is seen for 60 seconds, the most that Cloudflare documents.

const ARRIVES_AFTER_MS = 60_000;

export function heldBack(namespace, now, settled) {
  let writes = []; // { at, run }, in the order they were made

  async function arrive() {
    const arrived = settled() ? writes.length : writes.findIndex(({ at }) => now() < at + ARRIVES_AFTER_MS);
    const due = writes.splice(0, arrived < 0 ? writes.length : arrived);
    for (const { run } of due) await run();
  }

  async function hold(run) {
    await arrive();
    writes.push({ at: now(), run });
  }

  return {
    async getWithMetadata(...about) {
      await arrive();
      return namespace.getWithMetadata(...about);
    },
    async list(...about) {
      await arrive();
      return namespace.list(...about);
    },
    put: (...what) => hold(() => namespace.put(...what)),
    delete: (...what) => hold(() => namespace.delete(...what)),
  };
}
