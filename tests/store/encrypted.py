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
    # What the server remembers of its user beside the notes is no place for them either.
    for collection in collections:
        for row in edgemcp("list", collection, "--limit", "10000"):
            if row["expired"]:
                continue
            value = json.dumps(edgemcp("show", row["key"], "--reveal")[0])
            for secret in ["secret title", "secret text"]:
                if secret in value:
                    sys.exit(f"{secret!r} can be read in {row['key']}: {value}")
    # The newest entries of an SQLite file are in its log.
    for path in [sys.argv[1], f"{sys.argv[1]}-wal"]:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                text = file.read()
            for secret in [b"secret title", b"secret text"]:
                if secret in text:
                    sys.exit(f"{path} has {secret.decode()!r} in it")


if __name__ == "__main__":
    main()
