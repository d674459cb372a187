# SPDX-License-Identifier: MIT
"""Many seeded accidents against the real programs and a real kernel. (Thousands more run in virtual
time elsewhere; these are to show that kernel, libusb and services change nothing.)"""
import random

import images
import names
from vm_story import IS_FULL, Story, figure, guest_place

SIZE = 48 * 1024
ACCIDENTS = 40 if IS_FULL else 5
PORTS = range(1, 6)

# Compared, written and read back: what goes over the wire in one job, about.
WIRE_BYTES = 3 * SIZE


def rounds():
    """The seeds, as many at a time as there are ports."""
    seeds = list(range(ACCIDENTS))
    while seeds:
        yield list(zip(PORTS, seeds))
        del seeds[:len(PORTS)]


class Campaign(Story):
    def setUp(self):
        super().setUp()
        self.given_a_service_that_flashes(images.good_bin(SIZE))

    def run_round(self, accidents):
        """Plugs all in, waits for all ends, checks all, then lets each have a quiet second chance."""
        since = self.journal.position()
        for port, accident in accidents:
            self.bench.plug(port, speed=20)
            self.bench.fault(port, **accident)
        outcomes = [self.end_of_job(guest_place(port), since)[names.FIELD_OUTCOME]
                    for port, _ in accidents]
        for port, _ in accidents:
            self.assert_verified_or_in_boot_mode(port)
        self.heal([port for port, _ in accidents])
        return outcomes

    def heal(self, ports):
        self.bench.unplug_for_all_to_see(*ports)
        since = self.journal.position()
        for port in ports:
            self.bench.heal(port)
            self.bench.replug(port)
        for port in ports:
            end = self.end_of_job(guest_place(port), since)
            self.assertIn(end[names.FIELD_OUTCOME], ("flashed", "identical"), end["MESSAGE"])
            self.assert_holds_the_image(port)
        self.bench.unplug_for_all_to_see(*ports)

    def run_campaign(self, make_accident):
        outcomes = []
        for batch in rounds():
            outcomes += self.run_round([(port, make_accident(random.Random(seed)))
                                        for port, seed in batch])
        for outcome in sorted(set(outcomes)):
            figure(f"{self._testMethodName}.{outcome}", outcomes.count(outcome), "boards")

    def test_cables_pulled_at_any_byte(self):
        self.run_campaign(lambda dice: {"kind": "unplug", "at": "byte",
                                        "n": dice.randrange(WIRE_BYTES)})

    def test_bytes_that_do_not_stick(self):
        self.run_campaign(lambda dice: {"kind": "flip-bit", "at": "page",
                                        "n": dice.randrange(1, SIZE // 256),
                                        "byte": dice.randrange(256), "bit": dice.randrange(8)})
