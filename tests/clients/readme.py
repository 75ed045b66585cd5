"""Do the README's snippets get from the calculator what the README says? Usage: readme.py URL"""

import asyncio
import contextlib
import io
import json
import pathlib
import re
import subprocess
import sys
import textwrap

README = pathlib.Path(__file__).parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:8000/mcp"
DEADLINE_S = 60


def snippet(language, marker):
    """The one block of `language` with `marker` in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    found = [block for block in blocks if marker in block and ADDRESS in block]
    assert len(found) == 1, f"{len(found)} {language} blocks of the README have `{marker}` and {ADDRESS}"
    return found[0]


def curl(url):
    command = snippet("sh", "curl ").replace(ADDRESS, url)
    answer = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=DEADLINE_S)
    result = json.loads(answer.stdout)["result"]
    assert [block["text"] for block in result["content"]] == ["5"], result
    assert result["structuredContent"] == {"result": 5}, result


async def python(url):
    code = textwrap.indent(snippet("python", "from mcp").replace(ADDRESS, url), "    ")
    names = {}
    exec(f"async def readme():\n{code}", names)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        await asyncio.wait_for(names["readme"](), DEADLINE_S)
    # What it prints stands behind it, as a comment.
    promised = code.rsplit("# ", 1)[1].strip()
    assert printed.getvalue().strip() == promised == "{'result': 5}", printed.getvalue()


if __name__ == "__main__":
    curl(sys.argv[1])
    asyncio.run(python(sys.argv[1]))
