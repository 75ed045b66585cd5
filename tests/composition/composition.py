"""Does the example `composition` answer as one server? Usage: composition.py URL

Asks over plain HTTP in both eras. The server that is mounted over HTTP is the calculator. Each line of output is a case that held;
the first that does not ends it.
"""

import json
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parent.parent))
from plain import LEGACY, MODERN, Client, case


def main():
    for era in [MODERN, LEGACY]:
        client = Client(None, era)
        tools = client.names("tools")
        own = ["weather_forecast", "shop.buy", "shop.price", "fahrenheit"]
        case(f"{era}: tools of all servers are listed", [name for name in own if name not in tools], [])
        case(f"{era}: those of the other server too", "calc_add" in tools, True)
        case(f"{era}: what is for the staff is not", [name for name in tools if "close" in name], [])
        _, _, answer = client.raw("tools/call", {"name": "shop.close", "arguments": {}})
        case(f"{era}: and cannot be called", answer["error"]["code"], -32602)

        case(f"{era}: a mounted server has its own lifespan", client.call("weather_forecast", city="Bern"), "Säntis: sunny in Bern")
        case(f"{era}: a tool has another name and arguments", client.call("shop.buy", what="tea"), "1 × tea, ordered by assistant")
        wrong = client.call("shop.buy", what="tea", count=11)
        case(f"{era}: and its constraints", "count" in wrong and "10" in wrong, True)
        case(f"{era}: what is hidden is unknown", "channel" in client.call("shop.buy", what="tea", channel="me"), True)
        case(f"{era}: the highest version counts", client.call("shop.price"), 120)
        _, _, answer = client.raw("tools/call", {"name": "shop.price", "arguments": {}, "_meta": {"fastmcp": {"version": "1.0"}}})
        case(f"{era}: or the one that is asked for", answer["result"]["content"][0]["text"], "100")
        case(f"{era}: what is imported is its own", client.call("fahrenheit", celsius=20), 68.0)

        case(f"{era}: a tool of the other server is called", client.call("calc_add", a=2, b=3), 5)
        wrong = client.call("calc_add", a="two", b=3)
        case(f"{era}: which judges its arguments", "expected an integer" in wrong, True)

        uris = client.names("resources", "uri")
        expected = ["data://weather/cities", "shop+data://goods"]
        case(f"{era}: resources have their prefix", [uri for uri in expected if uri not in uris], [])
        case(f"{era}: and are read by it", json.loads(client.read("shop+data://goods")), ["tea", "coffee"])
        case(f"{era}: templates too", client.read("data://weather/Z%C3%BCrich/temperature"), "18 °C in Zürich")
        prompts = client.names("prompts")
        case(f"{era}: prompts too", "weather_trip" in prompts, True)
        _, _, answer = client.raw("completion/complete", {
            "ref": {"type": "ref/prompt", "name": "weather_trip"},
            "argument": {"name": "city", "value": "B"},
        })
        case(f"{era}: and completions", answer["result"]["completion"]["values"], ["Basel", "Bern"])

    _, _, answer = Client(None, MODERN).raw("server/discover", {})
    icon = answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["icons"][0]
    case("the icon is in the program", (icon["src"][:22], icon["sizes"]), ("data:image/png;base64,", ["48x48"]))


if __name__ == "__main__":
    main()
