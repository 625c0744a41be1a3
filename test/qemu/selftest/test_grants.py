# SPDX-License-Identifier: MIT
"""Memory that the engine may touch: what a driver has mapped, as a test sees it from outside."""

from .axidma import Ring
from .case import Case, noise
from .machine import Dma


class Grants(Case):
    # Ranges add up, and nothing takes them all back.
    fresh = True

    def used(self, *grants: tuple[int, int], revoked: tuple[int, int] | None = None, enforce: bool = True) -> int:
        """Violations of a send of 1000 bytes; a grant is (bytes before the buffer, bytes)."""
        dma = self.dma()
        self.machine.alloc(8192)
        ring = dma.out(noise(1000))
        for before, size in grants:
            dma.control.grant(ring.buffers[0] - before, size)
        if revoked:
            dma.control.revoke(ring.buffers[0] - revoked[0], revoked[1])
        dma.control.enforce_grants(enforce)
        return self.sent(dma, ring)

    def sent(self, dma: Dma, ring: Ring) -> int:
        seen = dma.count("v_memory_not_granted")
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        return seen.grown

    def test_without_enforcement_all_memory_may_be_touched(self) -> None:
        self.assertEqual(self.used(enforce=False), 0)

    def test_without_a_grant_none_may_be(self) -> None:
        self.assertGreaterEqual(self.used(), 1)

    def test_granted_memory_may_be(self) -> None:
        self.assertEqual(self.used((0, 1000)), 0)

    def test_part_of_a_larger_grant_may_be(self) -> None:
        self.assertEqual(self.used((4096, 8192)), 0)

    def test_a_grant_that_ends_early_is_not_enough(self) -> None:
        self.assertGreaterEqual(self.used((0, 999)), 1)

    def test_a_grant_that_begins_late_is_not_enough(self) -> None:
        self.assertGreaterEqual(self.used((-1, 999)), 1)

    def test_two_grants_that_meet_are_enough(self) -> None:
        self.assertEqual(self.used((0, 512), (-512, 488)), 0)

    def test_revoked_memory_may_not_be(self) -> None:
        self.assertGreaterEqual(self.used((0, 1000), revoked=(0, 1000)), 1)

    def test_a_grant_made_twice_and_revoked_once_is_still_one(self) -> None:
        self.assertEqual(self.used((0, 1000), (0, 1000), revoked=(0, 1000)), 0)

    def test_another_range_revoked_changes_nothing(self) -> None:
        self.assertEqual(self.used((0, 1000), revoked=(0, 500)), 0)

    def test_descriptors_need_no_grant(self) -> None:
        # The provider's own memory: the granted buffer is all there is.
        dma = self.dma()
        ring = dma.out(noise(64))
        dma.control.grant(ring.buffers[0], 64)
        dma.control.enforce_grants(True)
        violations = dma.count("violations")
        dma.mm2s.start(ring)
        dma.mm2s.wait_complete(ring)
        self.assertEqual(violations.grown, 0)

    def test_a_receive_needs_one_too(self) -> None:
        dma = self.dma()
        dma.send(noise(64))
        dma.control.enforce_grants(True)
        room = dma.room([64])
        seen = dma.count("v_memory_not_granted")
        dma.s2mm.start(room)
        dma.s2mm.wait_complete(room)
        self.assertGreaterEqual(seen.grown, 1)

    def test_a_violation_is_in_the_total(self) -> None:
        dma = self.dma()
        violations = dma.count("violations")
        dma.control.enforce_grants(True)
        dma.send(noise(64))
        self.assertGreaterEqual(violations.grown, 1)
