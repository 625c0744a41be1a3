# SPDX-License-Identifier: MIT
"""The device's options: what QEMU must not start with, and what can be seen from outside."""

from .case import SETTINGS, Case
from .machine import BOARD, Machine
from .qtest import refusal


class Refused(Case):

    def said(self, *devices: str) -> str:
        """Without the options themselves, which QEMU repeats before its reason."""
        words = [word for options in devices for word in ("-device", f"pinring-axi-dma,{options}")]
        text = refusal(SETTINGS.qemu, ["-machine", BOARD, *Machine.options(()), *words])
        return text.rpartition(f"{devices[-1]}: ")[2]

    def test_not_a_device_without_a_label(self) -> None:
        self.assertIn("label", self.said("id=x"))

    def test_not_an_address_width_below_32(self) -> None:
        self.assertIn("addrwidth", self.said("label=x,addrwidth=31"))

    def test_not_an_address_width_above_64(self) -> None:
        self.assertIn("addrwidth", self.said("label=x,addrwidth=65"))

    def test_not_a_length_width_below_8(self) -> None:
        self.assertIn("sg-length-width", self.said("label=x,sg-length-width=7"))

    def test_not_a_length_width_above_26(self) -> None:
        self.assertIn("sg-length-width", self.said("label=x,sg-length-width=27"))

    def test_not_a_data_width_that_is_no_power_of_two(self) -> None:
        self.assertIn("data-width", self.said("label=x,data-width=48"))

    def test_not_a_clock_that_stands_still(self) -> None:
        self.assertIn("clock-hz", self.said("label=x,clock-hz=0"))

    def test_not_a_label_that_the_page_has_no_room_for(self) -> None:
        self.assertIn("label", self.said("label=" + "x" * 32))

    def test_not_packets_without_bytes(self) -> None:
        self.assertIn("packet-bytes", self.said("label=x,stream=source,packet-bytes=0"))

    def test_not_a_rule_that_there_is_not(self) -> None:
        self.assertIn("break-rule", self.said("label=x,break-rule=9999"))

    def test_not_two_devices_with_one_label(self) -> None:
        self.assertNotEqual(self.said("label=x", "label=x"), "")

    def test_not_an_unknown_stream(self) -> None:
        self.assertIn("stream", self.said("label=x,stream=waterfall"))

    def test_but_a_device_with_a_label_and_nothing_else(self) -> None:
        self.assertEqual(self.said("label=x"), "")


class Outside(Case):

    def test_the_label_can_be_read(self) -> None:
        self.assertEqual(self.machine.qtest.qmp("qom-get", path="/machine/peripheral/loop0", property="label"), "loop0")

    def test_the_rule_to_break_can_be_set(self) -> None:
        path = "/machine/peripheral/loop0"
        self.machine.qtest.qmp("qom-set", path=path, property="break-rule", value=1)
        self.assertEqual(self.dma().control["break_rule"], 1)

    def tearDown(self) -> None:
        self._drop()
