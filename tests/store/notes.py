"""Does the example `notes` keep a notebook for each user? Usage: notes.py URL

Asks over plain HTTP in both eras. Each line of output is a case that held; the first that does not ends it.
"""

import concurrent.futures
import json
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parent.parent))
from plain import LEGACY, MODERN, Client, case, send

ADA, BOB = "ada-emulated", "bob-emulated"


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
