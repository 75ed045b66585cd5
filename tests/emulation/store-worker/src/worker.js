// What the Worker exports: all that is built, and a class whose objects fail when they are told to.

import { EdgemcpObject } from "../build/index.js";

export { default, EdgemcpObject } from "../build/index.js";

// How many more times no object of the class starts, in this isolate.
let failingStarts = 0;

/**
 * An object of the store's class with a fault around it. A request to `https://fault/WAY?TIMES` says how it fails, and
 * how many of the requests after it.
 */
export class FaultyObject {
  constructor(state, env) {
    if (failingStarts > 0) {
      failingStarts--;
      throw new Error("the object does not start");
    }
    this.state = state;
    this.object = new EdgemcpObject(state, env);
    this.fault = { way: "", times: 0 };
  }

  async fetch(request) {
    const url = new URL(request.url);
    if (url.host === "fault") {
      this.fault = { way: url.pathname.slice(1), times: Number(url.search.slice(1)) };
      return new Response(null, { status: 204 });
    }
    if (this.fault.times === 0) return this.object.fetch(request);
    this.fault.times--;
    switch (this.fault.way) {
      case "throws":
        throw new Error("the object throws");
      case "loses-its-answer":
        await this.object.fetch(request);
        throw new Error("the answer is lost");
      case "never-answers":
        return new Promise(() => {});
      case "is-reset":
        return this.state.abort("the object is reset");
      case "does-not-start":
        failingStarts = this.fault.times;
        return this.state.abort("the object is reset");
      default:
        return new Response(`there is no fault "${this.fault.way}"`, { status: 400 });
    }
  }

  alarm() {
    return this.object.alarm();
  }
}
