// SPDX-License-Identifier: MIT
// dma::device: how a program finds its device, and what it is told when it can't.
#include "../catch.hpp"

#include <dma/dma.hpp>

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include "support/needs.hpp"

static const support::needs needed{{"loop0", "sink0", "source0"}};

TEST_CASE("a device is found by the stable name it has in the device tree") {
  const dma::device device{"loop1"};
  CHECK(device.info().name == "loop1");
}

TEST_CASE("a device is found by the path of its node") {
  const dma::device named{"loop0"};
  const dma::device same{named.info().path};
  CHECK(same.info().name == "loop0");
}

TEST_CASE("a device without a name is the first there is") {
  const dma::device device;
  CHECK(device.info().path == "/dev/pinring0");
}

TEST_CASE("the list of devices holds every one of them") {
  std::vector<std::string> names;
  for (const dma::device_entry& entry : dma::list_devices())
    names.push_back(entry.info.name);
  for (const char* name : {"loop0", "loop1", "batch0", "align8", "tiny0", "sink0", "source0"}) {
    INFO(name);
    CHECK(std::ranges::count(names, name) == 1);
  }
}

TEST_CASE("a name that no device has is an error of its own, and names it") {
  try {
    const dma::device device{"no-such-thing"};
    FAIL("it was found");
  } catch (const std::system_error& error) {
    CHECK(error.code() == dma::errc::no_such_device);
    CHECK(std::string{error.what()}.find("no-such-thing") != std::string::npos);
  }
}

TEST_CASE("what a device can do is told before anything is tried") {
  const dma::device sink{"sink0"};
  CHECK(sink.info().directions == dma::direction::send);
  const dma::device source{"source0"};
  CHECK(source.info().directions == dma::direction::receive);
}

TEST_CASE("a direction that the device lacks can't be claimed") {
  const dma::device sink{"sink0"};
  std::error_code error;
  const dma::ring ring{sink, {.directions = dma::direction::both}, error};
  CHECK(error == dma::errc::not_available);
}

TEST_CASE("a ring on claimed directions is refused as busy, until the claim is given back") {
  const dma::device device{"loop0"};
  std::error_code error;
  {
    const dma::ring first{device};
    const dma::ring second{device, {}, error};
    CHECK(error == dma::errc::busy);
  }
  const dma::ring third{device, {}, error};
  CHECK_FALSE(error);
}

TEST_CASE("two rings share a direction when both ask for it") {
  const dma::device device{"loop0"};
  std::error_code error;
  const dma::ring first{device, {.shared = true}};
  const dma::ring second{device, {.shared = true}, error};
  CHECK_FALSE(error);
}
