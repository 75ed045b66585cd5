// How a KV namespace looks whose every second call fails.

let calls = 0;

export function failing(namespace, way) {
  const failNow = () => calls++ % 2 === 0;
  const call = (method) => async (...about) => {
    if (!failNow()) return namespace[method](...about);
    switch (way) {
      case "throttled":
        throw new Error(`KV ${method.toUpperCase()} failed: 429 Too Many Requests`);
      case "refused":
        throw new Error(`KV ${method.toUpperCase()} failed: 503 Service Unavailable`);
      default: // what was asked is done, and nobody hears of it
        await namespace[method](...about);
        throw new Error("Network connection lost.");
    }
  };
  return { getWithMetadata: call("getWithMetadata"), list: call("list"), put: call("put"), delete: call("delete") };
}
