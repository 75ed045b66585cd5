"""A plain HTTP client of both eras, for suites that ask a server in a script of their own. The script's first argument is the
server's URL."""

import json
import sys
import urllib.error
import urllib.request

URL = sys.argv[1]
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
            params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "plain", "version": "1"}}
            _, headers, _ = self.raw("initialize", params)
            self.session = headers.get("mcp-session-id")

    def raw(self, method, params, **more):
        """Status, headers and answer of a request, with more headers where they are given."""
        headers = {}
        if self.era == MODERN:
            params = dict(params, _meta={
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
                **params.get("_meta", {}),
            })
            headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
            name = params.get("uri") or params.get("name")
            if name:
                headers["mcp-name"] = name
        elif self.session:
            headers = {"mcp-protocol-version": LEGACY, "mcp-session-id": self.session}
        headers.update({name.replace("_", "-"): value for name, value in more.items()})
        return send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, self.token, headers)

    def names(self, kind, key="name"):
        """What a list has: `tools`, `resources`, `prompts`."""
        _, _, answer = self.raw(f"{kind}/list", {})
        return [item[key] for item in answer["result"][kind]]

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
