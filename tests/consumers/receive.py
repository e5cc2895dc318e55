#!/usr/bin/env python3
"""Answers every request on the loopback interface with 200, and keeps each body as a line of a file.

    receive.py PORT FILE"""
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open(sys.argv[2], "ab") as kept:
            kept.write(body.rstrip(b"\n") + b"\n")
        self.do_GET()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
open(sys.argv[2], "ab").close()
server.serve_forever()
