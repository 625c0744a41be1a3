# SPDX-License-Identifier: MIT
"""The device tree that the machine gives its guest.

Linux, Documentation/devicetree/bindings/dma/xilinx/xilinx_dma.txt, and what
xilinx_dma.c reads of it; the client's and the model's nodes are pinring's own.
"""

from .case import Case
from .fdt import Node
from .machine import DEVICES


class TreeCase(Case):
    devices = tuple(DEVICES)

    def engine(self, label: str) -> Node:
        return self.dma(label).node

    def child(self, label: str, kind: str) -> Node:
        return self.engine(label).compatible(f"xlnx,axi-dma-{kind}-channel")[0]


class Engines(TreeCase):

    def test_each_engine_has_a_node(self) -> None:
        self.assertEqual(len(self.machine.tree.compatible("xlnx,axi-dma-1.00.a")), len(DEVICES))

    def test_they_are_in_the_order_of_the_command_line(self) -> None:
        models = self.machine.tree.compatible("pinring,axi-dma-model")
        self.assertEqual([node.strings("label")[0] for node in models], list(DEVICES))

    def test_their_registers_take_a_page(self) -> None:
        self.assertEqual(self.engine("loop0").regions()[0][1], 0x1000)

    def test_no_two_share_an_address(self) -> None:
        starts = [node.regions()[0][0] for node in self.machine.tree.compatible("xlnx,axi-dma-1.00.a")]
        self.assertEqual(len(set(starts)), len(DEVICES))

    def test_a_channel_is_named_by_one_cell(self) -> None:
        self.assertEqual(self.engine("loop0").cell("#dma-cells"), 1)

    def test_all_four_clocks_have_their_names(self) -> None:
        self.assertEqual(self.engine("loop0").strings("clock-names"),
                         ["s_axi_lite_aclk", "m_axi_mm2s_aclk", "m_axi_s2mm_aclk", "m_axi_sg_aclk"])

    def test_the_clocks_are_fixed_ones(self) -> None:
        node = self.engine("loop0")
        kinds = {node.phandle(cell).strings("compatible")[0] for cell in node.cells("clocks")}
        self.assertEqual(kinds, {"fixed-clock"})

    def test_each_name_has_a_clock(self) -> None:
        node = self.engine("loop0")
        self.assertEqual(len(node.cells("clocks")), len(node.strings("clock-names")))

    def test_the_clock_has_the_frequency_of_the_engine(self) -> None:
        node = self.engine("fast0")
        self.assertEqual(node.phandle(node.cell("clocks")).cell("clock-frequency"), 200_000_000)

    def test_the_address_width_is_that_of_the_engine(self) -> None:
        widths = [self.engine(label).cell("xlnx,addrwidth") for label in ("loop0", "addr32")]
        self.assertEqual(widths, [64, 32])

    def test_the_length_width_is_that_of_the_engine(self) -> None:
        widths = [self.engine(label).cell("xlnx,sg-length-width") for label in ("loop0", "tiny0")]
        self.assertEqual(widths, [26, 14])

    def test_a_coherent_engine_says_so(self) -> None:
        self.assertIn("dma-coherent", self.engine("loop0"))

    def test_a_coherent_engine_does_not_say_the_contrary(self) -> None:
        self.assertNotIn("dma-noncoherent", self.engine("loop0"))

    def test_an_engine_that_is_not_coherent_says_so(self) -> None:
        self.assertIn("dma-noncoherent", self.engine("noncoh0"))

    def test_an_engine_that_is_not_coherent_does_not_say_the_contrary(self) -> None:
        self.assertNotIn("dma-coherent", self.engine("noncoh0"))


class Channels(TreeCase):

    def kinds(self, label: str) -> list[str]:
        return [child.strings("compatible")[0] for child in self.engine(label).children if "compatible" in child]

    def test_a_loopback_has_both(self) -> None:
        self.assertEqual(self.kinds("loop0"), ["xlnx,axi-dma-mm2s-channel", "xlnx,axi-dma-s2mm-channel"])

    def test_a_sink_has_that_of_sends(self) -> None:
        self.assertEqual(self.kinds("sink0"), ["xlnx,axi-dma-mm2s-channel"])

    def test_a_source_has_that_of_receives(self) -> None:
        self.assertEqual(self.kinds("source0"), ["xlnx,axi-dma-s2mm-channel"])

    def test_an_interrupt_is_an_spi_and_level_triggered(self) -> None:
        kind, _, trigger = self.child("loop0", "mm2s").cells("interrupts")
        self.assertEqual((kind, trigger), (0, 4))

    def test_no_two_share_an_interrupt(self) -> None:
        lines = [child.cells("interrupts")[1] for engine in self.machine.tree.compatible("xlnx,axi-dma-1.00.a")
                 for child in engine.children if "interrupts" in child]
        self.assertEqual(len(set(lines)), len(lines))

    def test_interrupts_go_to_the_gic(self) -> None:
        child = self.child("loop0", "mm2s")
        parent = child.phandle(child.inherited("interrupt-parent")[0])
        self.assertIn("interrupt-controller", parent)

    def test_the_data_width_is_that_of_the_engine(self) -> None:
        widths = [self.child(label, "mm2s").cell("xlnx,datawidth") for label in ("loop0", "narrow0")]
        self.assertEqual(widths, [64, 32])

    def test_realignment_is_announced(self) -> None:
        self.assertIn("xlnx,include-dre", self.child("loop0", "s2mm"))

    def test_missing_realignment_is_not_announced(self) -> None:
        self.assertNotIn("xlnx,include-dre", self.child("align8", "s2mm"))

    def test_the_interrupt_delay_is_one_byte(self) -> None:
        self.assertEqual(self.child("batch0", "s2mm").bytes("xlnx,irq-delay"), b"\x10")

    def test_without_an_interrupt_delay_there_is_no_property(self) -> None:
        self.assertNotIn("xlnx,irq-delay", self.child("loop0", "s2mm"))


class Clients(TreeCase):

    def client(self, label: str) -> Node:
        return self.dma(label).client

    def test_each_engine_has_a_client(self) -> None:
        labels = [node.strings("label")[0] for node in self.machine.tree.compatible("pinring,stream")]
        self.assertEqual(labels, list(DEVICES))

    def test_a_loopback_has_both_channels(self) -> None:
        self.assertEqual(self.client("loop0").strings("dma-names"), ["tx", "rx"])

    def test_a_sink_has_that_of_sends(self) -> None:
        self.assertEqual(self.client("sink0").strings("dma-names"), ["tx"])

    def test_a_source_has_that_of_receives(self) -> None:
        self.assertEqual(self.client("source0").strings("dma-names"), ["rx"])

    def test_its_channels_are_those_of_its_engine(self) -> None:
        phandle = self.engine("loop1").cell("phandle")
        self.assertEqual(self.client("loop1").cells("dmas"), [phandle, 0, phandle, 1])

    def test_a_client_with_a_stream_reset_names_it(self) -> None:
        self.assertEqual(self.client("reset0").strings("reset-names"), ["stream"])

    def test_a_stream_reset_is_one_that_linux_knows(self) -> None:
        client = self.client("reset0")
        self.assertIn("snps,dw-high-reset", client.phandle(client.cell("resets")).strings("compatible"))

    def test_a_client_without_a_stream_reset_names_none(self) -> None:
        self.assertNotIn("resets", self.client("loop0"))

    def test_the_model_has_four_pages_of_control(self) -> None:
        model = next(node for node in self.machine.tree.compatible("pinring,axi-dma-model")
                     if node.strings("label") == ["loop0"])
        self.assertEqual(model.regions()[0][1], 0x4000)
