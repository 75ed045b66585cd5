"""Do the middlewares of the example `middleware` do what they are for? Usage: middleware.py URL

Asks over plain HTTP in both eras. Each line of output is a case that held; the first that does not ends it.
"""

import concurrent.futures
import pathlib
import re
import sys

sys.path.append(str(pathlib.Path(__file__).parent.parent))
from plain import LEGACY, MODERN, Client, case

ADA, BOB = "ada-emulated", "bob-emulated"


def main():
    for era in [MODERN, LEGACY]:
        ada, bob = Client(ADA, era), Client(BOB, era)
        rate = {MODERN: "EUR", LEGACY: "CHF"}[era]
        looked_up = lambda times: f"1 {rate} = 1.09 USD (looked up {times} times)"
        case(f"{era}: what was not asked before is looked up", ada.call("exchange_rate", currency=rate), looked_up(1))
        case(f"{era}: what was is answered from the cache", ada.call("exchange_rate", currency=rate), looked_up(1))
        case(f"{era}: which is no other user's", bob.call("exchange_rate", currency=rate), looked_up(2))
        case(f"{era}: but their own", bob.call("exchange_rate", currency=rate), looked_up(2))
        case(f"{era}: a call that fails twice is tried a third time", ada.call("unsteady"), "it worked")

        status, _, answer = ada.raw("tools/call", {"name": "leak", "arguments": {}})
        case(f"{era}: a secret is in no answer", "hunter2" in str(answer), False)
        status, _, answer = ada.raw("tools/call", {"name": "no_such_tool", "arguments": {}})
        case(f"{era}: what is not there is invalid", answer["error"]["code"], -32602)

        text = ada.call("report", lines=1000)
        case(f"{era}: a long answer is cut", text.endswith("[Response truncated due to size limit]"), True)
        case(f"{era}: between two characters, and below its limit", len(text.encode()) <= 2000 and "\ufffd" not in text, True)
        case(f"{era}: a short one is not", ada.call("report", lines=2), "Zeile 1: größer\nZeile 2: größer\n")

        _, _, answer = ada.raw("tools/call", {"name": "tenant", "arguments": {}}, x_tenant="acme")
        case(f"{era}: what a middleware passes along arrives", answer["result"]["content"][0]["text"], "acme")

        tools = ada.names("tools")
        added = ["server_time", "list_resources", "read_resource", "list_prompts", "get_prompt"]
        case(f"{era}: tools are added", [name for name in added if name not in tools], [])
        case(f"{era}: one of the operator's", bool(re.match(r"20\d\d-", ada.call("server_time"))), True)
        case(f"{era}: one that reads a resource", "EUR" in str(ada.call("read_resource", uri="rates://currencies")), True)
        prompt = str(ada.call("get_prompt", name="compare", arguments={"one": "EUR", "other": "CHF"}))
        case(f"{era}: one that gets a prompt", "Compare EUR with CHF." in prompt, True)

        case(f"{era}: who lacks a scope does not see a tool", "reset" in bob.names("tools"), False)
        case(f"{era}: who has it does", "reset" in tools, True)
        status, headers, answer = bob.raw("tools/call", {"name": "reset", "arguments": {}})
        case(f"{era}: and is refused", status, 403)
        case(f"{era}: with what it lacks", 'scope="admin"' in headers.get("www-authenticate", ""), True)
        case(f"{era}: who has it is not", ada.call("reset"), "everything is forgotten")

    # Ten at once, of whom three are let through, on however many instances they meet.
    call = lambda _: Client(BOB, MODERN).raw("tools/call", {"name": "render", "arguments": {"scene": "a house"}})
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(call, range(10)))
    case("of ten at once three are let through", sum("result" in answer for _, _, answer in answers), 3)
    refused = [(status, headers, answer) for status, headers, answer in answers if "error" in answer]
    case("the others are too many", {(status, answer["error"]["code"]) for status, _, answer in refused}, {(429, -32000)})
    case("and hear when to come again", all(0 < int(headers["retry-after"]) <= 60 for _, headers, _ in refused), True)
    legacy = Client(BOB, LEGACY)
    status, headers, answer = legacy.raw("tools/call", {"name": "render", "arguments": {"scene": "a house"}})
    case("a legacy client reads the same in an answer of 200", (status, answer["error"]["code"]), (200, -32000))
    case("with the time in its header and its data", int(headers["retry-after"]), answer["error"]["data"]["retryAfter"])
    case("another user is not limited by it", Client(ADA, MODERN).call("render", scene="a house"), "a house is rendered")

    status, _, answer = Client(ADA, MODERN).raw("tools/call", {"name": "crash", "arguments": {}})
    case("a panic is a 500", status, 500)
    case("which says nothing of why", "asked for" in str(answer), False)
    case("and the next request is answered", Client(ADA, MODERN).call("report", lines=1), "Zeile 1: größer\n")


if __name__ == "__main__":
    main()
