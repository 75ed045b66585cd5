"""Does the example `notes` keep a notebook for each user? Usage: notes.py URL

Asks over plain HTTP in both eras. Each line of output is a case that held; the first that does not ends it.
"""

import concurrent.futures
import json
import sys
import urllib.error
import urllib.request

URL = sys.argv[1]
ADA, BOB = "ada-emulated", "bob-emulated"
MODERN = "2026-07-28"
LEGACY = "2025-11-25"


def send(body, token=None, headers=None):
    """Status, headers and the JSON of an answer, whole or the last event of a stream."""
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream", **(headers or {})}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(URL, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, heads, text = answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, heads, text = error.code, error.headers, error.read().decode()
    if heads.get("content-type", "").startswith("text/event-stream"):
        text = [line[5:] for line in text.splitlines() if line.startswith("data:") and line[5:].strip()][-1]
    try:
        return status, heads, json.loads(text)
    except ValueError:
        return status, heads, text


class Client:
    """One user in one era."""

    def __init__(self, token, era):
        self.token, self.era, self.session = token, era, None
        if era == LEGACY:
            params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "notes", "version": "1"}}
            _, headers, _ = self.raw("initialize", params)
            self.session = headers.get("mcp-session-id")

    def raw(self, method, params):
        headers = {}
        if self.era == MODERN:
            params = dict(params, _meta={
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
            })
            headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
            name = params.get("uri") or params.get("name")
            if name:
                headers["mcp-name"] = name
        elif self.session:
            headers = {"mcp-protocol-version": LEGACY, "mcp-session-id": self.session}
        return send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, self.token, headers)

    def call(self, tool, **arguments):
        """The structured value of a tool's answer, or its text."""
        _, _, answer = self.raw("tools/call", {"name": tool, "arguments": arguments})
        result = answer.get("result") or sys.exit(f"{tool}: {answer}")
        value = result.get("structuredContent")
        if value is None or result.get("isError"):
            return result["content"][0]["text"]
        return value.get("result", value)

    def read(self, uri):
        _, _, answer = self.raw("resources/read", {"uri": uri})
        return answer["result"]["contents"][0]["text"] if "result" in answer else answer["error"]["message"]


def case(what, found, expected):
    if found != expected:
        sys.exit(f"FAILED  {what}: expected {expected!r}, found {found!r}")
    print(f"ok      {what}")


def main():
    status, _, _ = send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    case("somebody without a token is refused", status, 401)
    # Of several first requests at once one starts the server, and the others wait for it, each in its own time.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        firsts = list(pool.map(lambda _: Client(ADA, MODERN).call("list_notes"), range(8)))
    case("several first requests at once are answered", firsts, [[]] * 8)
    for era in [MODERN, LEGACY]:
        ada, bob = Client(ADA, era), Client(BOB, era)
        case(f"{era}: the notebook is empty", ada.call("list_notes"), [])
        case(f"{era}: a note is written", ada.call("write_note", title="tea", text="Darjeeling"), '"tea" is written')
        case(f"{era}: it is read", ada.call("read_note", title="tea"), {"title": "tea", "text": "Darjeeling"})
        odd = "50 % / tea? {x} ü \U0001f36a"
        ada.call("write_note", title=odd, text="biscuits")
        case(f"{era}: any title is one", ada.call("list_notes"), sorted([odd, "tea"]))
        case(f"{era}: the last one is remembered", ada.call("read_note"), {"title": odd, "text": "biscuits"})
        case(f"{era}: it is a resource", ada.read("note://tea"), "Darjeeling")
        case(f"{era}: another user has another notebook", bob.call("list_notes"), [])
        case(f"{era}: and reads nothing of it", bob.call("read_note", title="tea"), 'there is no note "tea"')
        ada.call("write_note", title="third", text="")
        full = "the notebook is full (3 notes): delete one first"
        case(f"{era}: a notebook is full", ada.call("write_note", title="fourth", text=""), full)
        case(f"{era}: what is there can be written over", ada.call("write_note", title="third", text="3"), '"third" is written')
        health = json.loads(ada.read("health://status"))
        case(f"{era}: the server is healthy", health["status"], "healthy")
        case(f"{era}: and has started", health["checks"]["lifespan"]["healthy"], True)
        for title in ["tea", odd, "third"]:
            ada.call("delete_note", title=title)
        case(f"{era}: what is deleted is gone", ada.call("list_notes"), [])
    # For whoever looks into the store afterwards.
    Client(ADA, MODERN).call("write_note", title="secret title", text="secret text")


if __name__ == "__main__":
    main()
