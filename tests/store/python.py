"""Does Python read what we encrypt, and what does it write? Usage: python.py make|open FILE

`make` writes JSON into FILE: Fernet tokens of `cryptography`, and entries of py-key-value's own stores, each with what is
in it. `open` reads JSON about tokens that were made here, fails unless Python agrees with all of it, and writes how many
there were.
"""

import asyncio
import base64
import json
import pathlib
import random
import sys
import tempfile
from datetime import datetime, timezone
from importlib.metadata import version

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from key_value.aio.stores.filetree import FileTreeStore
from key_value.aio.stores.memory import MemoryStore
from key_value.aio.wrappers.encryption import FernetEncryptionWrapper

CONTENTS = [b"", b"x", b"0123456789abcdef", "größer ≥ 🦀".encode(), bytes(range(256)), b"x" * 100_000]

VALUES = [
    {},
    {"client_id": "7f3a", "redirect_uris": ["http://localhost:33418/"], "scope": None},
    {"text": "größer ≥ 🦀 \u2028 \" \\ \x00", "nested": {"list": [1, -2, 3.5, True, {"deep": [[]]}]}},
    {"large": 2**63 - 1, "huge": 2**80, "tiny": 1e-300},
    {"long": "x" * 50_000},
]


def encoded(content):
    return base64.b64encode(content).decode()


def milliseconds(moment):
    return int(moment.timestamp() * 1000)


def raw(store, collection, key):
    """The bytes that a memory store keeps for an entry."""
    return store._cache[collection]._cache[key].json_str


async def derived():
    """What is written with a key that is derived, as the wrapper offers it too."""
    below = MemoryStore()
    store = FernetEncryptionWrapper(below, source_material="größer ≥", salt="salt")
    await store.put("k", VALUES[1], collection="c")
    return {"source_material": "größer ≥", "salt": "salt", "bytes": raw(below, "c", "k"), "value": VALUES[1]}


async def entries(keys):
    """What py-key-value's stores have written for VALUES: in memory and in files, encrypted and not."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for where in ("memory", "files"):
            for is_encrypted in (False, True):
                below = MemoryStore() if where == "memory" else FileTreeStore(data_directory=pathlib.Path(folder))
                fernet = MultiFernet([Fernet(key) for key in keys])
                store = FernetEncryptionWrapper(below, fernet=fernet) if is_encrypted else below
                for number, value in enumerate(VALUES):
                    collection, key = f"c-{where}-{is_encrypted}", f"k{number}"
                    ttl = 3600.25 if number % 2 else None
                    before = datetime.now(timezone.utc)
                    await store.put(key, value, collection=collection, ttl=ttl)
                    after = datetime.now(timezone.utc)
                    assert await store.get(key, collection=collection) == value
                    if where == "memory":
                        text = raw(below, collection, key)
                    else:
                        [file] = pathlib.Path(folder).glob(f"**/{collection}/{key}.json")
                        text = file.read_text()
                    found.append({
                        "where": where,
                        "bytes": text,
                        "is_encrypted": is_encrypted,
                        "value": json.dumps(value),
                        "put_between_ms": [milliseconds(before), milliseconds(after) + 1],
                        "ttl_ms": ttl and int(ttl * 1000),
                    })
    return found


def make(_):
    draw = random.Random(1)
    keys = [Fernet.generate_key() for _ in range(3)]
    tokens = []
    for content in CONTENTS:
        for number, key in enumerate(keys):
            tokens.append({"token": Fernet(key).encrypt(content).decode(), "by": number, "content": encoded(content)})
    # Which of them Python takes for too old, or for one of the future.
    ages = []
    for _ in range(200):
        made, ttl = draw.randrange(1_000, 2_000_000_000), draw.choice([0, 1, 59, 60, 61, 3600])
        now = made + draw.choice([-3600, -61, -60, -59, -1, 0, 1, 60, 61, ttl - 1, ttl, ttl + 1, 10_000])
        token = Fernet(keys[0]).encrypt_at_time(b"x", made)
        try:
            Fernet(keys[0]).decrypt_at_time(token, ttl, max(now, 0))
            opens = True
        except InvalidToken:
            opens = False
        ages.append({"token": token.decode(), "ttl_s": ttl, "now_s": max(now, 0), "opens": opens})
    return {
        "versions": {name: version(name) for name in ("cryptography", "py-key-value-aio")},
        "keys": [key.decode() for key in keys],
        "tokens": tokens,
        "ages": ages,
        "entries": asyncio.run(entries(keys)),
        "derived": asyncio.run(derived()),
    }


def opened(keys, token):
    return MultiFernet([Fernet(key) for key in keys]).decrypt(token.encode())


def check(asked):
    for token in asked["tokens"]:
        assert encoded(opened(asked["keys"], token["token"])) == token["content"], token["token"]
        # It is made with the first key, and with no other.
        assert encoded(Fernet(asked["keys"][0]).decrypt(token["token"].encode())) == token["content"]
        made = Fernet(asked["keys"][0]).extract_timestamp(token["token"].encode())
        assert made == token["made_s"], (made, token["made_s"])
    for token in asked["damaged"]:
        try:
            opened(asked["keys"], token)
        except InvalidToken:
            continue
        raise AssertionError(f"Python opens what we do not: {token}")
    return {"opened": len(asked["tokens"]), "refused": len(asked["damaged"])}


if __name__ == "__main__":
    act, path = {"make": make, "open": check}[sys.argv[1]], pathlib.Path(sys.argv[2])
    path.write_text(json.dumps(act(json.loads(path.read_text()))))
