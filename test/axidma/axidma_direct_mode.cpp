// SPDX-License-Identifier: MIT
//
// Trap 9: an AXI DMA that was built without scatter-gather moves the first piece only.
#include "catch.hpp"

#include <algorithm>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include "raw_client.hpp"
#include "support/board.hpp"
#include "support/device.hpp"
#include "support/needs.hpp"
#include "support/wait.hpp"

using namespace support;

namespace {

// direct0 is not among pinring's devices, so it can't be needed by that name.
const auto needed = support::needs{{"loop0"}}.model().module(raw_client::module).root();

/// The kernel's log since boot.
std::string kernel_log() {
  const unique_fd fd(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  std::string text;
  char record[4096];
  for (ssize_t n = 0; (n = ::read(fd.get(), record, sizeof(record))) > 0 || errno == EPIPE;)
    if (n > 0)
      text.append(record, static_cast<std::size_t>(n));
  return text;
}

} // namespace

TEST_CASE(
    "xilinx_dma without scatter-gather moves the first of three pieces, and calls it a success") {
  REQUIRE(board::is_model("direct0"));
  const board direct0("direct0");
  const raw_client raw("direct0");
  const auto before = direct0.read("sent_bytes");
  REQUIRE(raw.prep_send(3, 1000) == success);
  raw.issue_send();

  REQUIRE(wait_until([&] { return raw.called_send() == 1; }));
  CHECK(raw.job_at(0).result == raw_client::no_error);
  CHECK(raw.job_at(0).residue == 0);
  CHECK(direct0.read("sent_bytes") - before == 1000);
}

TEST_CASE("pinring takes no AXI DMA without scatter-gather, and says what to change") {
  const auto node = platform_node("direct0");
  REQUIRE_FALSE(node.empty());
  CHECK(driver_of(node).empty());
  CHECK(device_path("direct0").empty());

  const auto log = kernel_log();
  CHECK(log.find("pinring " + node) != std::string::npos);
  CHECK(log.find("built without scatter-gather") != std::string::npos);
}
