"""Prints what faults cost, fault by fault and store by store. Usage: lost.py LOG...

A log has lines such as `fault: killed while it writes on SQLite: 1009 rounds, 0 lost`. One that says so of nothing, or that
something was lost, is a failure.
"""

import re
import sys

LINE = re.compile(r"fault: (?P<fault>.+) on (?P<store>[^:]+): (?P<rounds>\d+) rounds, (?P<lost>\d+) lost")
NOT_TRIED = re.compile(r"fault: (?P<fault>.+): not tried, (?P<why>.+)")


def main(logs):
    found, skipped = {}, []
    for log in logs:
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if match := LINE.search(line):
                    rounds, lost = found.get((match["fault"], match["store"]), (0, 0))
                    found[match["fault"], match["store"]] = (rounds + int(match["rounds"]), lost + int(match["lost"]))
                elif match := NOT_TRIED.search(line):
                    skipped.append(f"{match['fault']} was not tried, {match['why']}")
    if not found:
        sys.exit("no log says anything of a fault")
    wide = max(len(fault) for fault, _ in found)
    long = max(len(store) for _, store in found)
    print(f"\n  {'FAULT':{wide}}  {'STORE':{long}}  {'ROUNDS':>6}  LOST")
    for (fault, store), (rounds, lost) in sorted(found.items()):
        print(f"  {fault:{wide}}  {store:{long}}  {rounds:6}  {lost:4}")
    for line in skipped:
        print(f"  ({line})")
    total = sum(lost for _, lost in found.values())
    print(f"\n  {sum(rounds for rounds, _ in found.values())} rounds, {total} lost\n")
    if total:
        sys.exit("something was lost")


if __name__ == "__main__":
    main(sys.argv[1:])
