"""Prints what became of every case of the store contract on every store. Usage: table.py LOG...

A log has lines such as `SQLite: what_is_put_comes_back ... ok`, `… ... skipped (needs an atomic store)` and
`… ... FAILED: why`. A case that ran several times on one store, as on a file and reopened, held if it held each time.
"""

import re
import sys

LINE = re.compile(r"^(?P<store>[A-Z a-z0-9,()]+): (?P<case>[a-z0-9_]+) \.\.\. (?P<outcome>ok|skipped|FAILED)")
RANK = {"ok": 0, "skipped": 1, "FAILED": 2}
SIGN = {"ok": "x", "skipped": "-", "FAILED": "F", None: " "}


def main(logs):
    stores, cases, cells = [], [], {}
    for log in logs:
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                found = LINE.match(line)
                if not found:
                    continue
                store, case, outcome = found.group("store", "case", "outcome")
                if store not in stores:
                    stores.append(store)
                if case not in cases:
                    cases.append(case)
                worst = max(cells.get((store, case), "ok"), outcome, key=RANK.get)
                cells[store, case] = worst
    if not stores:
        sys.exit("no log says anything of the contract")
    print("\nx passed, - not offered by the store (its capabilities say so), F failed\n")
    for number, store in enumerate(stores):
        print("  " + "│ " * number + "┌ " + store)
    for case in cases:
        print("  " + " ".join(SIGN[cells.get((store, case))] for store in stores) + "  " + case.replace("_", " "))
    outcomes = [[cells.get((store, case)) for case in cases] for store in stores]
    print()
    for store, column in zip(stores, outcomes):
        print(f"  {store}: {column.count('ok')} passed, {column.count('FAILED')} failed, "
              f"{column.count('skipped')} not offered")
    missing = [f"{store}: {case}" for store in stores for case in cases if (store, case) not in cells]
    if missing:
        sys.exit("\n".join(["cases that did not run:", *missing]))


if __name__ == "__main__":
    main(sys.argv[1:])
