"""A server of the official Python SDK, for edgemcp to mount over HTTP. Usage: far.py both|legacy|json

With `legacy` and `json` it answers nothing of 2026-07-28, as servers from before it; with `json` it answers in JSON
instead of streams of events. It prints its URL once it can be asked.
"""

import socket
import sys

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import Completion, ElicitRequest, ElicitRequestFormParams, InputRequiredResult
from pydantic import BaseModel

server = MCPServer("far", version="1.0.0")


class Sum(BaseModel):
    total: int


class Who(BaseModel):
    name: str


@server.tool()
async def total(a: int, b: int, ctx: Context) -> Sum:
    """Add two integers."""
    await ctx.report_progress(1, 2, "adding")
    await ctx.info("adding")
    return Sum(total=a + b)


@server.tool()
async def fail() -> str:
    """Fail."""
    raise ValueError("there is nothing to do")


@server.tool()
async def greet(ctx: Context) -> str | InputRequiredResult:
    """Greet somebody by name."""
    if ctx.input_responses is None:
        form = ElicitRequestFormParams(message="What is your name?", requested_schema=Who.model_json_schema())
        return InputRequiredResult(input_requests={"who": ElicitRequest(params=form)}, request_state="asked")
    assert ctx.request_state == "asked", ctx.request_state
    return f"Hello, {ctx.input_responses['who'].content['name']}!"


@server.resource("data://config")
def config() -> str:
    """The configuration."""
    return "debug = false"


@server.resource("user://{who}/profile")
def profile(who: str) -> str:
    """A profile."""
    return f"<{who}>"


@server.prompt()
def trip(city: str) -> str:
    """Plan a trip."""
    return f"Plan a trip to {city}."


@server.completion()
async def complete(ref, argument, context):
    return Completion(values=[f"{argument.value}ris"])


class LegacyOnly:
    """Refuses what names 2026-07-28, as servers do that have never heard of it."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        headers = dict(scope.get("headers", []))
        if headers.get(b"mcp-protocol-version") == b"2026-07-28":
            await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"Bad Request: Unsupported protocol version"})
            return
        await self.app(scope, receive, send)


def main():
    [speaks] = sys.argv[1:]
    app = server.streamable_http_app(json_response=speaks == "json")
    config = uvicorn.Config(app if speaks == "both" else LegacyOnly(app), log_level="info")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", flush=True)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
