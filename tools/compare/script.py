"""Shows the batches of a Magpipe account as Prometheus metrics, as somebody would write it in an afternoon.

One list request per scrape. No paging, no budget, no recipients, no call windows, no authentication.
"""
import json
import os
import sys
import urllib.request
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

STATUSES = "draft scheduled running paused completed cancelled failed recurring unknown".split()
NUMBERS = {"target_recipients": "total_recipients", "reported_completed_recipients": "completed_count",
           "reported_failed_recipients": "failed_count", "max_concurrency": "max_concurrency",
           "reserved_concurrency": "reserved_concurrency"}
TIMES = ["created", "scheduled", "started", "updated", "completed"]


def read(url):
    request = urllib.request.Request(url, json.dumps({"action": "list", "limit": 1000, "offset": 0}).encode(), {
        "Authorization": "Bearer " + os.environ["MAGPIPE_API_KEY"], "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)["batches"]


def text(value):
    return (value or "").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def page(batches):
    families = {}

    def add(metric, value, /, **labels):
        shown = ",".join(f'{label}="{text(labels[label])}"' for label in sorted(labels))
        families.setdefault(metric, []).append(f"{metric}{{{shown}}} {value}")

    for status in STATUSES:
        add("magpipe_batches", sum(b["status"] == status for b in batches), status=status)
    for b in batches:
        this = b["id"]
        add("magpipe_batch_info", 1, batch_id=this, name=b["name"], parent_batch_id=b["parent_batch_id"],
            recurrence=b["recurrence_type"])
        for status in STATUSES:
            add("magpipe_batch_status", int(b["status"] == status), batch_id=this, status=status)
        for metric, key in NUMBERS.items():
            if b[key] is not None:
                add("magpipe_batch_" + metric, b[key], batch_id=this)
        for time in TIMES:
            if b[time + "_at"]:
                seconds = datetime.fromisoformat(b[time + "_at"]).timestamp()
                add(f"magpipe_batch_{time}_timestamp_seconds", seconds, batch_id=this)
    return "".join(f"# TYPE {name} gauge\n" + "\n".join(samples) + "\n" for name, samples in families.items())


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = page(read(sys.argv[1])).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on 127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
server.serve_forever()
