"""Stands in for Lambda's queue of asynchronous invocations: events.py PORT LAMBDA

cargo-lambda's emulator does not know them: it answers an invocation once the function has. This takes an event at once,
as Lambda does, and has the emulator at LAMBDA (http://HOST:PORT) deliver it.
"""

import http.server
import sys
import threading
import urllib.error
import urllib.request


def main(port, emulator):
    class Queue(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            event = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_asynchronous = self.headers.get("X-Amz-Invocation-Type") == "Event"
            if is_asynchronous:
                threading.Thread(target=deliver, args=(emulator + self.path, event), daemon=True).start()
            self.send_response(202 if is_asynchronous else 501)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Queue).serve_forever()


def deliver(url, event):
    # Lambda tries twice more, a minute later and two: nobody waits for that here.
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=event, method="POST")) as answer:
            answer.read()
    except (OSError, urllib.error.HTTPError) as error:
        print(f"an asynchronous invocation failed: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
