"""What do faults cost the stores on workerd? Usage: faults_on_workerd.py [FAULT...], which prints a line for each fault.

A line is `fault: NAME on STORE: N rounds, N lost`. A round is lost where something that was acknowledged is not there
afterwards, where something is there that nobody wrote, or where a failure is told as something else. It starts the store
Worker itself (tests/emulation/workers), since it kills it. The last line says `N passed, N failed`.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

EMULATION = pathlib.Path(__file__).parents[1] / "emulation" / "workers"
ANSWERED_WITHIN_S = 120
IDLE_S = 1  # the other end closes a connection that is idle for longer
HOUR_MS = 3_600_000
# The same faults in every run.
CHANCE = random.Random(1)


class Worker:
    """The store Worker, over a folder that outlives it."""

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        self.connections = threading.local()
        environment = {**os.environ, "EDGEMCP_EMULATION_PERSIST": str(self.folder / "kept")}
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [EMULATION, "store-worker"], env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.address = urllib.parse.urlsplit(self.process.stdout.readline().strip()).netloc
        if not self.address:
            sys.exit(f"the store Worker did not start; the end of its log:\n{self.log()[-4000:]}")

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def kill(self):
        """As a power cut: SIGKILL for all of it."""
        self.process.send_signal(signal.SIGUSR1)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def ask(self, method, path, query, body=b""):
        """The answer's text, over one connection a thread. An answer that does not come is an OSError."""
        query = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        connection, used = getattr(self.connections, "one", (None, 0))
        if connection is None or time.monotonic() - used > IDLE_S:
            connection = http.client.HTTPConnection(self.address, timeout=ANSWERED_WITHIN_S)
        try:
            connection.request(method, f"{path}?{query}", body)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.connections.one = (None, 0)
            raise OSError(str(error)) from error
        self.connections.one = (connection, time.monotonic())
        if answer.status >= 400:
            raise OSError(f"{method} {path}: {answer.status} {text[:500]}")
        return text

    def store(self, name, **query):
        return Store(self, {"store": name, **query})


class Refused(Exception):
    """The store says that it has failed."""

    def __init__(self, answer):
        super().__init__(answer["detail"])
        self.kind, self.retryable = answer["error"], answer["retryable"]


class Store:
    def __init__(self, worker, query):
        self.worker, self.query = worker, query

    def __call__(self, operation, **arguments):
        body = json.dumps({"operation": operation, **arguments}).encode()
        answer = json.loads(self.worker.ask("POST", "/operations", self.query, body))
        if "error" in answer:
            raise Refused(answer)
        return answer["done"]

    def value(self, key):
        found = self("get", key=key)
        return found and found["value"]

    def insist(self, operation, **arguments):
        """Asks again where the store says that it may help, and returns the kinds of the failures until then."""
        kinds = []
        for _ in range(20):
            try:
                self(operation, **arguments)
                return kinds
            except Refused as why:
                if not why.retryable:
                    raise
                kinds.append(why.kind)
        raise AssertionError(f"{operation} {arguments} still fails after {kinds}")


def collection():
    return f"f{secrets.token_hex(4)}"


def at_once(*calls):
    """What each of these came to, all begun together."""
    together = threading.Barrier(len(calls))

    def begin(call):
        together.wait()
        return call()

    return list(RACERS.map(begin, calls))


RACERS = concurrent.futures.ThreadPoolExecutor(4)


# --- The faults. Each yields (store, rounds, lost).


def killed_while_writing(worker):
    """SIGKILL in the middle of 1,000 writes, some of them transactions of two, and the rest of them afterwards."""
    rounds = 1_000
    name = collection()
    acknowledged = {"kv": set(), "object": set()}
    # One entry a write, or two that belong together: on the object every second write.
    pairs = {"kv": lambda n: False, "object": lambda n: n % 2 == 1}
    stop_at, dead = CHANCE.randrange(300, 700), threading.Event()

    def write(kind, n):
        store = worker.store(kind)
        if pairs[kind](n):
            writes = [(f"a{n}", f"value {n}", None), (f"b{n}", f"value {n}", None)]
            assert store("transact", partition=f"{name}/p", writes=writes)
        else:
            store("put", key=f"{name}/p/a{n}", value=f"value {n}")
        acknowledged[kind].add(n)

    def write_all(kind, left, until_dead):
        def one(n):
            if until_dead and dead.is_set():
                return
            try:
                write(kind, n)
            except OSError:
                assert until_dead, "only a Worker that was killed does not answer"

        with concurrent.futures.ThreadPoolExecutor(3) as writers:
            list(writers.map(one, left))

    def lost(kind):
        found = {}
        for first in range(0, rounds, 200):
            keys = [f"{name}/p/{side}{n}" for n in range(first, first + 200) for side in "ab"]
            entries = worker.store(kind)("get_many", keys=keys)
            found.update({key.rsplit("/")[-1]: entry and entry["value"] for key, entry in zip(keys, entries)})
        count = 0
        for n in range(rounds):
            a, b, value = found[f"a{n}"], found[f"b{n}"], f"value {n}"
            whole = a == value and b == (value if pairs[kind](n) else None)
            # What was not acknowledged is there or not, but never half of it.
            count += not (whole or (a is None and b is None and n not in acknowledged[kind]))
        return count

    writing = [
        threading.Thread(target=write_all, args=(kind, range(rounds), True), daemon=True) for kind in acknowledged
    ]
    for thread in writing:
        thread.start()
    while min(map(len, acknowledged.values())) < stop_at and any(thread.is_alive() for thread in writing):
        time.sleep(0.001)
    worker.kill()
    dead.set()
    for thread in writing:
        thread.join()
    before = {kind: len(done) for kind, done in acknowledged.items()}
    assert max(before.values()) < rounds, f"killed too late: {before}"
    worker.start()
    after_kill = {kind: lost(kind) for kind in acknowledged}
    for kind, done in acknowledged.items():
        write_all(kind, [n for n in range(rounds) if n not in done], False)
        yield kind, rounds, max(after_kill[kind], lost(kind))


def two_writers_race(worker):
    """Of two who put_if, and of two who take, exactly one wins, and what is there is the winner's."""
    rounds, store, name = 1_000, worker.store("object"), collection()
    for operation in ["put_if", "take"]:
        lost = 0
        for n in range(rounds):
            key = f"{name}/{operation}{n % 10}/one"
            if operation == "put_if":
                won = at_once(*(lambda w=w: store("put_if", key=key, value=f"{n} by {w}") for w in range(2)))
                winner = won.index(True) if True in won else None
                lost += sorted(won) != [False, True] or store.value(key) != f"{n} by {winner}"
                store("delete", key=key)
            else:
                store("put", key=key, value=f"ticket {n}")
                got = at_once(*[lambda: store("take", key=key)] * 2)
                values = [entry["value"] for entry in got if entry]
                lost += values != [f"ticket {n}"] or store.value(key) is not None
        yield f"object ({operation})", rounds, lost


def object_fails(worker):
    """An object that throws, loses an answer, never answers, is reset, or does not start: told as such, and then over.

    A store waits for an answer as long as it is waited for; who gives up on one that never comes has harmed nothing.
    """
    for way in ["throws", "loses-its-answer", "never-answers", "is-reset", "does-not-start"]:
        rounds, lost, name = 50, 0, collection()
        store, partition = worker.store("faulty-object"), f"{name}/p"
        for n in range(rounds):
            times = CHANCE.randrange(1, 4)
            worker.ask("POST", "/faults", {"partition": partition, "way": way, "times": times})
            waits = 100 if way == "never-answers" else None
            kinds = store.insist("put", key=f"{partition}/k{n}", value=f"value {n}", timeout_ms=waits)
            lost += not kinds or set(kinds) != {"TimedOut" if waits else "Unavailable"}
            # What has failed before does not hold up what comes after, nor has it taken anything away.
            lost += store("get_many", keys=[f"{partition}/k{m}" for m in range(n + 1)]) != [
                {"value": f"value {m}", "ends_ms": None} for m in range(n + 1)
            ]
        yield f"faulty-object ({way})", rounds, lost


def namespace_fails(worker):
    """KV throttles, refuses, or loses every second answer: told as such, and nothing that was acknowledged is lost."""
    for way, kind in [("throttled", "Throttled"), ("refused", "Unavailable"), ("lost", "Unavailable")]:
        rounds, lost, seen, name = 100, 0, set(), collection()
        failing, store = worker.store("failing-kv", way=way), worker.store("kv")
        for n in range(rounds):
            key = f"{name}/p/k{n % 7}"
            seen.update(failing.insist("put", key=key, value=f"value {n}"))
            lost += store.value(key) != f"value {n}"
        yield f"kv ({way})", rounds, lost + (seen != {kind})


def clock_moved(worker):
    """A clock that is wrong by up to an hour: an entry ends when that clock says so, and a counter keeps its end."""
    now = int(time.time() * 1000)
    for kind in ["kv", "object"]:
        rounds, lost, store, name = 100, 0, worker.store(kind), collection()
        for n in range(rounds):
            here, ttl = now + CHANCE.randrange(-HOUR_MS, HOUR_MS), CHANCE.randrange(2 * HOUR_MS, 9 * HOUR_MS)
            key, count, ends = f"{name}/p{n % 5}/k{n}", f"{name}/p{n % 5}/c{n}", here + ttl
            store("put", key=key, value=f"value {n}", ttl_ms=ttl, now_ms=here)
            store("increment", key=count, by=n, ttl_ms=ttl, now_ms=here)
            there = {"value": f"value {n}", "ends_ms": ends}
            # On to its end, over it, and back again.
            for at, found in [(ends - 1, there), (ends, None), (here - HOUR_MS, there)]:
                lost += store("get", key=key, now_ms=at) != found
            lost += store("increment", key=count, by=1, ttl_ms=ttl, now_ms=here - HOUR_MS) != n + 1
            lost += store("get", key=count, now_ms=ends - 1) != {"value": f"{n + 1}", "ends_ms": ends}
            lost += store("get", key=count, now_ms=ends) is not None
        yield kind, rounds, lost


def ten_thousand_keys(worker):
    """10,000 keys of one partition are there once each and in order, page by page; on an object in one request, too."""
    want = [f"k{n:05}" for n in range(10_000)]
    for kind in ["kv", "object"]:
        store, partition, shuffled = worker.store(kind), f"{collection()}/p", want[:]
        CHANCE.shuffle(shuffled)
        for first in range(0, len(shuffled), 2_500):
            items = shuffled[first : first + 2_500]
            store("put_many", entries=[(f"{partition}/{item}", f"value of {item}") for item in items])
        found, after = [], None
        while True:
            page = store("list", partition=partition, after=after)
            found.extend((item, entry["value"]) for item, entry in page["entries"])
            after = page["next"]
            if after is None:
                break
        lost = len(set(want) ^ {item for item, _ in found})
        lost += found != [(item, f"value of {item}") for item in want]
        # On KV that is more than one event may ask for.
        lost += kind == "object" and store("list_all", partition=partition) != want
        yield kind, len(want), lost


def written_late(worker):
    """KV as it is seen from far away: nothing is seen that was not written, and all of it once it has settled."""
    rounds, lost = 1_000, 0
    for _ in range(0, rounds, 100):
        query = {"store": "stale-kv", "run": collection(), "rounds": 100}
        lost += int(worker.ask("POST", "/settling", query))
    yield "stale-kv", rounds, lost


def written_by_others(worker):
    """A value in KV that this store has not written is read as bytes without end, or is corrupt; others stay readable."""
    absent = [None, "null"]
    ends = ['{"e": 4102444800000}', '{"e": 4102444800000, "more": [1]}', '{"e": 1e300}']
    ended = ['{"e": -5}', '{"e": 0}', '{"e": 1}']
    damaged = ['{}', '{"e": "soon"}', '{"e": null}', '{"e": {}}', '{"other": 1}', '"text"', "[]", "5", "true"]
    rounds, lost, store, name = 0, 0, worker.store("kv"), collection()

    def come_of(operation, **arguments):
        try:
            return store(operation, **arguments)
        except Refused as why:
            return why.kind

    for n, metadata in enumerate(absent + ends + ended + damaged):
        rounds += 1
        key = f"{name}/p{n}/foreign"
        worker.ask("PUT", "/kv", {"name": key, "metadata": metadata}, b"\xff\x00 theirs")
        store("put", key=f"{name}/p{n}/own", value="ours")
        got = come_of("get", key=key)
        listed = come_of("list", partition=f"{name}/p{n}")
        if metadata in damaged:
            lost += got != "Corrupt" or listed != "Corrupt"
            # Whoever deletes it, or writes over it, has a store as good as new.
            store("put", key=key, value="ours too")
            lost += store.value(key) != "ours too"
        elif metadata in ended:
            lost += got is not None or [item for item, _ in listed["entries"]] != ["own"]
        else:
            lost += got["value"] != "\ufffd\0 theirs" or (got["ends_ms"] is None) != (metadata in absent)
            lost += [item for item, _ in listed["entries"]] != ["foreign", "own"]
        lost += store.value(f"{name}/p{n}/own") != "ours"
    # Names that are no keys, below a partition that is.
    for n, item in enumerate(["", "a/b", "a b", "ä", "x" * 129]):
        rounds += 1
        worker.ask("PUT", "/kv", {"name": f"{name}/q{n}/{item}"}, b"theirs")
        lost += come_of("list", partition=f"{name}/q{n}") != "Corrupt"
    yield "kv", rounds, lost


FAULTS = [
    killed_while_writing,
    two_writers_race,
    object_fails,
    namespace_fails,
    clock_moved,
    ten_thousand_keys,
    written_late,
    written_by_others,
]


def main(names):
    chosen = [fault for fault in FAULTS if not names or fault.__name__ in names]
    if len(chosen) < len(names):
        sys.exit(f"there is no such fault: {names} (there are {[fault.__name__ for fault in FAULTS]})")
    passed, failed = 0, 0
    with tempfile.TemporaryDirectory(prefix="edgemcp-faults.") as folder:
        worker = Worker(pathlib.Path(folder))
        try:
            for fault in chosen:
                name, started = fault.__name__.replace("_", " "), time.monotonic()
                try:
                    for store, rounds, lost in fault(worker):
                        print(f"fault: {name} on {store}: {rounds} rounds, {lost} lost", flush=True)
                        passed, failed = passed + (lost == 0), failed + (lost != 0)
                except (OSError, AssertionError, Refused, KeyError, TypeError) as why:
                    print(f"FAILED  {name}: {type(why).__name__}: {why}", flush=True)
                    failed += 1
                print(f"  {name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
        finally:
            worker.stop()
            RACERS.shutdown()
            if failed:
                print(f"the end of the Worker's log:\n{worker.log()[-4000:]}")
    print(f"{passed} passed, {failed} failed")
    return passed > 0 and failed == 0


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
