// What do objects look like that cannot be reached, or that are something else?

export { env } from "cloudflare:workers";

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
