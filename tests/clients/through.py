"""Does a client of the official Python SDK reach a server of that SDK through an edgemcp server that mounts it?
Usage: through.py URL auto|legacy both|legacy|json, the last being what the mounted server (far.py) speaks."""

import asyncio
import sys

from mcp import Client, MCPError
from mcp.types import ElicitResult, PromptReference

DEADLINE_S = 60


def same(what, got, want):
    assert got == want, f"{what}: expected {want!r}, got {got!r}"


async def elicit(_context, params):
    same("what is asked", params.message, "What is your name?")
    return ElicitResult(action="accept", content={"name": "Ada"})


async def talk(url, mode, speaks):
    async with Client(url, mode=mode, elicitation_callback=elicit) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        names = {name for name in tools if name.startswith("calc_")}
        same("tools", names, {"calc_total", "calc_fail", "calc_greet"})
        same("arguments", set(tools["calc_total"].input_schema["properties"]), {"a", "b"})
        same("output", set(tools["calc_total"].output_schema["properties"]), {"total"})

        reports = []

        async def progress(done, total, message):
            reports.append((done, total, message))

        for number in range(3):
            result = await client.call_tool("calc_total", {"a": 2, "b": number}, progress_callback=progress)
            same("total: structured", result.structured_content, {"total": 2 + number})
            same("total: isError", bool(result.is_error), False)
        # An answer in JSON has room for itself alone.
        same("reports", reports, [(1.0, 2.0, "adding")] * (0 if speaks == "json" else 3))

        wrong = await client.call_tool("calc_total", {"a": "two", "b": 3})
        same("a wrong argument: isError", wrong.is_error, True)
        failed = await client.call_tool("calc_fail", {})
        same("fail: isError", failed.is_error, True)
        same("fail: text", failed.content[0].text, "Error executing tool fail")

        if speaks == "both":
            greeted = await client.call_tool("calc_greet", {})
            same("greet", greeted.content[0].text, "Hello, Ada!")

        config = await client.read_resource("data://calc/config")
        same("config", (str(config.contents[0].uri), config.contents[0].text), ("data://calc/config", "debug = false"))
        profile = await client.read_resource("user://calc/Z%C3%BC/profile")
        same("profile", profile.contents[0].text, "<Zü>")
        trip = await client.get_prompt("calc_trip", {"city": "Bern"})
        same("trip", trip.messages[0].content.text, "Plan a trip to Bern.")
        offered = await client.complete(
            PromptReference(type="ref/prompt", name="calc_trip"), {"name": "city", "value": "Pa"}
        )
        same("completion", offered.completion.values, ["Paris"])
        try:
            await client.call_tool("calc_none", {})
        except MCPError as error:
            same("code of an unknown tool", error.code, -32602)
        return f"{client.protocol_version}, {len(names)} tools"


def main():
    url, mode, speaks = sys.argv[1:]
    print(asyncio.run(asyncio.wait_for(talk(url, mode, speaks), DEADLINE_S)))


if __name__ == "__main__":
    main()
