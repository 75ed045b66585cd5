"""Does a store on workerd keep the store contract? Usage: contract.py URL STORE LABEL

URL is the store Worker's list of cases, STORE what it calls the store, LABEL what cells.txt calls it. It prints a line a
case, as Rust's report of the contract does, which table.py reads; the last line says `N passed, N failed`.
"""

import json
import pathlib
import secrets
import sys
import urllib.parse
import urllib.request

CELLS = pathlib.Path(__file__).parents[1] / "testkit" / "cells.txt"
DEADLINE_S = 120


def ask(url, method):
    request = urllib.request.Request(url, method=method)
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
        return json.load(answer)


def main(url, store, label):
    passed, failed, skipped = 0, 0, []
    query = urllib.parse.urlencode({"store": store, "run": secrets.token_hex(8)})
    for case in ask(url, "GET"):
        try:
            result = ask(f"{url}/{case}?{query}", "POST")
        except OSError as error:
            result = {"ok": False, "skipped": False, "detail": f"no answer: {error}"}
        if result["skipped"]:
            skipped.append(f"{label}: {case} (needs {result['detail']})")
            print(f"{label}: {case} ... skipped (needs {result['detail']})")
        elif result["ok"]:
            passed += 1
            print(f"{label}: {case} ... ok")
        else:
            failed += 1
            print(f"{label}: {case} ... FAILED: {result['detail']}")

    listed = [line for line in CELLS.read_text().splitlines() if line.startswith(f"{label}: ")]
    if skipped != listed:
        failed += 1
        print(f"FAILED  what {label} does not offer differs from {CELLS.name}")
        for cell in skipped:
            if cell not in listed:
                print(f"  skipped and not listed: {cell}")
        for cell in listed:
            if cell not in skipped:
                print(f"  listed and not skipped: {cell}")
        if sorted(skipped) == sorted(listed):
            print("  the order is not the contract's")
    print(f"{len(skipped)} cells are not offered")
    print(f"{passed} passed, {failed} failed")
    return passed > 0 and failed == 0


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:]) else 1)
