# SPDX-License-Identifier: MIT
"""A worker that a board has taken over: the mind believes nothing that it must not believe, and waits
for nobody for ever."""
import socket
import threading

import images
from rig import LIMIT, place_of
from story import BENCH, Story


class Liar:
    """Listens where workers are started, and answers each job with what it was given to say."""

    def __init__(self, path, *words):
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.bind(str(path))
        self._door.listen()
        self._door.settimeout(LIMIT)
        self._words = words
        self._thread = threading.Thread(target=self._lie, daemon=True)
        self._thread.start()

    def _lie(self):
        self.peer, _ = self._door.accept()
        self.peer.settimeout(LIMIT)
        self.job = self.peer.recv(4096)
        for word in self._words:
            self.peer.send(word(self.job) if callable(word) else word)

    def close(self):
        self._thread.join(LIMIT)
        self.peer.close()
        self._door.close()


# Half a minute of patience is over in some two seconds.
FAST = 15


class Liars(Story):
    def tell(self, *words, clock_speed=1):
        self.rig.write_firmware("widget.uf2", images.uf2(self.image))
        self.rig.write_policy(BENCH.format(more=""))
        liar = Liar(self.rig.root / "worker", *words)
        self.addCleanup(liar.close)
        self.rig.start_mind(clock_speed)
        self.rig.plug()
        return self.rig.end_of_job(place_of(1))

    def test_garbage_is_hung_up_on(self):
        self.assertIn("garbage", self.tell(b"\xff" * 64))

    def test_an_empty_message_is_no_word(self):
        self.assertRegex(self.tell(b"\0"), "garbage|without an outcome")

    def test_its_own_job_sent_back_is_out_of_turn(self):
        self.assertIn("out of turn", self.tell(lambda job: job))

    def test_a_message_with_something_behind_it_is_garbage(self):
        self.assertIn("garbage", self.tell(lambda job: job + b"\0"))

    def test_one_that_never_says_a_word_is_given_up(self):
        """As does one that hangs in its probe."""
        self.assertIn("fell silent", self.tell(clock_speed=FAST))
        self.assertEqual(self.state()["sectors_erased"], 0)
