"""Does a built bootstrap answer an event? Usage: runtime_api.py BOOTSTRAP EVENT.json

Stands in for Lambda's Runtime API: hands the program one event and prints what it answers, as JSON.
cargo-lambda's emulator only runs programs it builds itself, and what is deployed is the zip.
"""

import http.server
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time

DEADLINE_S = 20
REQUEST = "00000000-0000-4000-8000-000000000001"


def serve(event, answers):
    events = queue.Queue()
    events.put(event)

    class Api(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            try:
                body = events.get(timeout=DEADLINE_S)
            except queue.Empty:
                return self.close_connection
            deadline_ms = int(time.time() * 1000) + DEADLINE_S * 1000
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Lambda-Runtime-Aws-Request-Id", REQUEST)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline_ms))
            arn = "arn:aws:lambda:us-east-1:123456789012:function:calculator"
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            answers.put((self.path, self.body()))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def body(self):
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    # The program is ended while it waits for its next event.
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def main(bootstrap, event):
    answers = queue.Queue()
    with open(event, "rb") as file:
        port = serve(file.read(), answers)
    # What Lambda sets, and nothing of this machine's.
    env = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "calculator",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/calculator",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": os.path.dirname(os.path.abspath(bootstrap)),
        "TZ": ":UTC",
    }
    started = time.monotonic()
    with tempfile.TemporaryFile() as log:
        program = subprocess.Popen([os.path.abspath(bootstrap)], env=env, stdout=log, stderr=log)
        try:
            while True:
                try:
                    path, body = answers.get(timeout=0.2)
                    break
                except queue.Empty:
                    if program.poll() is not None or time.monotonic() - started > DEADLINE_S:
                        log.seek(0)
                        sys.exit(f"no answer (exit code {program.poll()}):\n{log.read().decode(errors='replace')}")
        finally:
            program.kill()
            program.wait()
    if path != f"/2018-06-01/runtime/invocation/{REQUEST}/response":
        sys.exit(f"it answered on {path}: {body.decode(errors='replace')}")
    answer = json.loads(body)
    print(json.dumps(answer))
    check(answer)


def check(answer):
    """2 + 3, as a function URL would have it."""
    assert answer["statusCode"] == 200, answer
    assert not answer.get("isBase64Encoded"), answer
    result = json.loads(answer["body"])["result"]
    assert result["structuredContent"] == {"result": 5}, result
    assert [block["text"] for block in result["content"]] == ["5"], result


if __name__ == "__main__":
    main(*sys.argv[1:])
