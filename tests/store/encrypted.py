"""Is what the example `notes` keeps encrypted, and are its keys no texts of users? Usage: encrypted.py PLACE

PLACE is what `edgemcp store --store` takes. notes.py has written one note there, of the user `ada`.
"""

import json
import os
import subprocess
import sys

# What nobody must find: the note, its title, and whose it is.
SECRETS = ["secret title", "secret text", "ada"]


def edgemcp(*arguments):
    command = ["cargo", "run", "-q", "-p", "edgemcp-cli", "--", "store", *arguments, "--json", "--store", sys.argv[1]]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    if output.returncode != 0:
        sys.exit(f"{' '.join(command)}: {output.stderr}")
    return [json.loads(line) for line in output.stdout.splitlines()]


def main():
    collections = {row["collection"]: row for row in edgemcp("collections")}
    if collections.get("notes", {}).get("entries") != 1:
        sys.exit(f"there is not one note: {collections}")
    key = edgemcp("list", "notes")[0]["key"]
    shown = edgemcp("show", key, "--reveal")[0]
    for secret in SECRETS:
        if secret in key or secret in json.dumps(shown):
            sys.exit(f"{secret!r} can be read in {key}: {shown}")
    print(f"{key}: {shown['bytes']} bytes, {shown['kind']}")
    if os.path.isfile(sys.argv[1]):
        with open(sys.argv[1], "rb") as file:
            if b"secret text" in file.read():
                sys.exit("the file has the note's text in it")


if __name__ == "__main__":
    main()
