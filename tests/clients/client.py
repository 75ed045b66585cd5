"""Does the Python client get from the calculator what its definition says? Usage: client.py URL auto|legacy"""

import asyncio
import sys

from mcp import Client, MCPError

MODERN, LEGACY = "2026-07-28", "2025-11-25"
DEADLINE_S = 60


def same(what, got, want):
    assert got == want, f"{what}: expected {want!r}, got {got!r}"


async def talk(url, mode):
    async with Client(url, mode=mode) as client:
        same("protocol version", client.protocol_version, MODERN if mode == "auto" else LEGACY)
        same("server", client.server_info.name, "calculator")

        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        same("tools", set(tools), {"add", "divide", "count"})
        for tool in tools.values():
            assert tool.description, f"{tool.name} has no description"
        same("arguments of add", set(tools["add"].input_schema["properties"]), {"a", "b"})

        five = await client.call_tool("add", {"a": 2, "b": 3})
        same("add: isError", bool(five.is_error), False)
        same("add: text", [block.text for block in five.content], ["5"])
        same("add: structured", five.structured_content, {"result": 5})

        # What a model sees when it divides by zero: a sentence, no stack, no type name.
        zero = await client.call_tool("divide", {"a": 1, "b": 0})
        same("divide by zero: isError", zero.is_error, True)
        text = zero.content[0].text
        assert "zero" in text and "panicked" not in text and "::" not in text, text

        wrong = await client.call_tool("add", {"a": "two", "b": 3})
        same("a wrong argument: isError", wrong.is_error, True)
        # The path, what came, and what was expected.
        text = wrong.content[0].text
        assert "`a`" in text and '"two"' in text and "expected" in text, text

        await read_everything(client)

        before = await counted(client)
        same("the count after one more", await counted(client), before + 1)

        try:
            await client.read_resource("calculator://no/such/thing")
        except MCPError as error:
            same("code of an unknown resource", error.code, -32602 if mode == "auto" else -32002)
        else:
            raise AssertionError("an unknown resource was read")
        return f"{client.protocol_version}, {len(tools)} tools"


async def counted(client):
    result = await client.call_tool("count", {})
    same("count: isError", bool(result.is_error), False)
    return result.structured_content["result"]


async def read_everything(client):
    """Each listed resource, an address made from each template, and each prompt."""
    resources = (await client.list_resources()).resources
    assert resources, "no resource is listed"
    for resource in resources:
        contents = (await client.read_resource(resource.uri)).contents
        assert contents and contents[0].text, f"{resource.uri} is empty"

    templates = (await client.list_resource_templates()).resource_templates
    assert templates, "no template is listed"
    for template in templates:
        uri = fill(template.uri_template)
        contents = (await client.read_resource(uri)).contents
        assert contents and contents[0].text, f"{uri} is empty"
        same("address of what was read", str(contents[0].uri), uri)

    prompts = (await client.list_prompts()).prompts
    assert prompts, "no prompt is listed"
    for prompt in prompts:
        values = {argument.name: "7" for argument in prompt.arguments or []}
        messages = (await client.get_prompt(prompt.name, values)).messages
        assert messages and messages[0].content.text, f"the prompt {prompt.name} is empty"
        if values:
            assert "7" in messages[0].content.text, f"the prompt {prompt.name} ignores its arguments"


def fill(template):
    while "{" in template:
        start, end = template.index("{"), template.index("}")
        template = template[:start] + "7" + template[end + 1 :]
    return template


if __name__ == "__main__":
    url, mode = sys.argv[1:]
    print(asyncio.run(asyncio.wait_for(talk(url, mode), DEADLINE_S)))
