# SPDX-License-Identifier: MIT
"""Klipper's host as others see it: its API socket, with a print that the story makes up."""
import contextlib
import json
import queue
import socket
import threading

END = b"\x03"
LIMIT = 60


class Klippy:
    """Listens at `path` until it is stopped; what it leaves behind is the socket, as the real one does."""

    def __init__(self, path, state="ready", print_state="standby", silent=False):
        self.path = path
        self.state, self.print_state = state, print_state
        self.is_silent = silent
        self.asked = queue.Queue()  # one entry for each whole question
        self._clients = []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def await_question(self):
        return self.asked.get(timeout=LIMIT)

    def stop(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(LIMIT)
        self._socket.close()
        for client in self._clients:
            client.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._clients.append(client)
            self._talk(client)

    def _talk(self, client):
        heard = b""
        while heard.count(END) < 2:
            more = client.recv(4096)
            if not more:
                return
            heard += more
        requests = [json.loads(part) for part in heard.split(END)[:-1]]
        if not self.is_silent:
            client.sendall(b"".join(json.dumps(self._answer(request)).encode() + END
                                    for request in requests))
        self.asked.put([request["method"] for request in requests])

    def _answer(self, request):
        words = {"state": self.state, "state_message": f"Printer is {self.state}"}
        if request["method"] == "info":
            return {"id": request["id"], "result": dict(words, hostname="voron")}
        is_printing = self.print_state == "printing"
        known = {
            "webhooks": words,
            "print_stats": {"state": self.print_state, "filename": "benchy.gcode"},
            "idle_timeout": {"state": "Printing" if is_printing else "Ready"},
            "virtual_sdcard": {"is_active": is_printing},
        }
        status = {name: known.get(name, {}) for name in request["params"]["objects"]}
        return {"id": request["id"], "result": {"eventtime": 31.5, "status": status}}
