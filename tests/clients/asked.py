"""Is the Python client asked for input, a model's words and roots, and told of progress? Usage: asked.py URL auto|legacy"""

import asyncio
import sys

from mcp import Client, types

MODERN, LEGACY = "2026-07-28", "2025-11-25"
DEADLINE_S = 60


def same(what, got, want):
    assert got == want, f"{what}: expected {want!r}, got {got!r}"


class Person:
    """What the client asks a person, and what its model says."""

    def __init__(self):
        self.asked = []
        self.declines = False

    async def elicit(self, _, params):
        self.asked.append(("elicitation", params.message))
        if self.declines:
            return types.ElicitResult(action="decline")
        fields = params.requested_schema["properties"]
        values = {"username": "ada", "email": "ada@example.com", "name": "Ada", "color": "green"}
        return types.ElicitResult(action="accept", content={name: values[name] for name in fields})

    async def sample(self, _, params):
        self.asked.append(("sampling", params.messages[0].content.text))
        text = types.TextContent(type="text", text="Paris")
        return types.CreateMessageResult(role="assistant", content=text, model="none", stop_reason="endTurn")

    async def roots(self, _):
        self.asked.append(("roots", None))
        return types.ListRootsResult(roots=[types.Root(uri="file:///work", name="work")])


async def talk(url, mode):
    person = Person()
    callbacks = {
        "elicitation_callback": person.elicit,
        "sampling_callback": person.sample,
        "list_roots_callback": person.roots,
    }
    async with Client(url, mode=mode, **callbacks) as client:
        same("protocol version", client.protocol_version, MODERN if mode == "auto" else LEGACY)

        async def text(tool, arguments=None, **more):
            result = await client.call_tool(tool, arguments or {}, **more)
            same(f"{tool}: isError", bool(result.is_error), False)
            return result.content[0].text

        told = await text("test_elicitation", {"message": "Who are you?"})
        assert "action=accept" in told and "ada@example.com" in told, told
        same("asked", person.asked.pop(), ("elicitation", "Who are you?"))

        person.declines = True
        told = await text("test_elicitation", {"message": "And now?"})
        assert "action=decline" in told, told
        person.declines = False

        same("sampled", await text("test_sampling", {"prompt": "Capital?"}), "LLM response: Paris")
        same("asked", person.asked.pop(), ("sampling", "Capital?"))

        roots = await text("test_input_required_result_list_roots")
        assert "file:///work" in roots, roots

        person.asked.clear()
        same("two rounds", await text("test_input_required_result_multi_round"), "Ada likes green.")
        same("rounds", [kind for kind, _ in person.asked], ["elicitation", "elicitation"])

        person.asked.clear()
        at_once = await text("test_input_required_result_multiple_inputs")
        same("at once", at_once, "Ada: Paris (1 roots)")
        same("kinds", sorted(kind for kind, _ in person.asked), ["elicitation", "roots", "sampling"])

        reports = []

        async def progress(done, total, message):
            reports.append((done, total, message))

        await text("test_tool_with_progress", progress_callback=progress)
        same("progress", [done for done, _, _ in reports], [0, 50, 100])
        same("of", {total for _, total, _ in reports}, {100})
        return f"{client.protocol_version}: asked and told"


if __name__ == "__main__":
    url, mode = sys.argv[1:]
    print(asyncio.run(asyncio.wait_for(talk(url, mode), DEADLINE_S)))
