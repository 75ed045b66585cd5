// What do objects look like that cannot be reached, or that are something else, and what do they see of a Worker that is?

import { env } from "cloudflare:workers";

export { env };

/** What the object of a partition answers to these bytes: the first byte is 1 where it is an answer, the rest its body. */
export async function askRaw(partition, operation, body) {
  const object = env.EDGEMCP_OBJECTS.getByName(partition);
  // A copy, since the body is a part of Rust's memory.
  const answer = await object.fetch(`https://object/v1/${operation}`, { method: "POST", body: body.slice() });
  return new Uint8Array([Number(answer.ok), ...new Uint8Array(await answer.arrayBuffer())]);
}

const failing = (fetch) => ({ EDGEMCP_OBJECTS: { getByName: () => ({ fetch }) } });

export function failingIn(way) {
  switch (way) {
    case "answering":
      return failing(async () => new Response("hello"));
    case "refusing":
      return failing(async () => new Response(null, { status: 404 }));
    default: // as Workers mark their errors: "overloaded", "retryable"
      return failing(async () => {
        throw Object.assign(new Error("the object cannot be reached"), { [way]: true });
      });
  }
}
