// SPDX-License-Identifier: MIT
#include "catch.hpp"

#include <dma/device.hpp>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>

#include "fake_kernel.hpp"

namespace {

std::string what_of(auto&& f) {
  try {
    f();
  } catch (const std::system_error& e) {
    return e.what();
  }
  return "nothing thrown";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a device is found first, by name and by path") {
  test::fake_kernel kernel;
  kernel.add_device("adc0");
  kernel.add_device("dac0");
  CHECK(dma::device{}.name() == "adc0");
  CHECK(dma::device{"dac0"}.path() == "/dev/pinring1");
  CHECK(dma::device{"/dev/pinring1"}.name() == "dac0");
  CHECK(dma::device{"dac0"}.info().simulator);
  CHECK(kernel.open_files() == 0);
}

TEST_CASE("the first device is the first that may be opened") {
  test::fake_kernel kernel;
  kernel.add_device("adc0").open_error = EACCES;
  kernel.add_device("dac0");
  CHECK(dma::device{}.name() == "dac0");
}

TEST_CASE("a module that is not loaded is told from one without devices") {
  test::fake_kernel kernel;
  kernel.loaded = false;
  std::error_code error;
  CHECK_FALSE(dma::device{error});
  CHECK(error == dma::errc::module_not_loaded);
  CHECK(contains(what_of([] { dma::device d; }), "modprobe pinring"));
  CHECK(contains(what_of([] { dma::device d{"adc0"}; }), "modprobe pinring"));
  CHECK(contains(what_of([] { dma::device d{"/dev/pinring0"}; }), "modprobe pinring"));

  kernel.loaded = true;
  CHECK_FALSE(dma::device{error});
  CHECK(error == dma::errc::no_such_device);
}

TEST_CASE("a wrong name lists the right ones") {
  test::fake_kernel kernel;
  kernel.add_device("adc0");
  kernel.add_device("dac0");
  std::error_code error;
  CHECK_FALSE(dma::device{"adc1", error});
  CHECK(error == dma::errc::no_such_device);
  CHECK(contains(what_of([] { dma::device d{"adc1"}; }), "\"adc1\" (there are: adc0, dac0)"));
  CHECK(kernel.open_files() == 0);
}

TEST_CASE("a device without permission names the path and the group") {
  test::fake_kernel kernel;
  kernel.add_device("adc0").open_error = EACCES;
  std::error_code error;
  CHECK_FALSE(dma::device{error});
  CHECK(error == dma::errc::not_permitted);
  CHECK(error == std::errc::permission_denied);
  const std::string what = what_of([] { dma::device d{"adc0"}; });
  CHECK(contains(what, "/dev/pinring0"));
  CHECK(contains(what, "group pinring"));
}

TEST_CASE("a driver of another ABI is refused") {
  test::fake_kernel kernel;
  kernel.add_device("adc0").info.abi = 99;
  std::error_code error;
  CHECK_FALSE(dma::device{"adc0", error});
  CHECK(error == dma::errc::incompatible_driver);
  CHECK(kernel.open_files() == 0);
}

TEST_CASE("the list shows what can't be opened too") {
  test::fake_kernel kernel;
  CHECK(dma::list_devices().empty());
  kernel.add_device("adc0");
  kernel.add_device("dac0").open_error = EACCES;
  const auto list = dma::list_devices();
  REQUIRE(list.size() == 2);
  CHECK(list[0].info.name == "adc0");
  CHECK_FALSE(list[0].error);
  CHECK(list[1].info.path == "/dev/pinring1");
  CHECK(list[1].error == dma::errc::not_permitted);
}

TEST_CASE("refresh asks again") {
  test::fake_kernel kernel;
  kernel.add_device("adc0");
  const dma::device device;
  kernel.devices.begin()->second.info.flags |= PINRING_INFO_DEAD;
  CHECK_FALSE(device.info().dead);
  CHECK(device.refresh().dead);
  kernel.errors[PINRING_IOC_INFO] = {ENODEV};
  std::error_code error;
  (void)device.refresh(error);
  CHECK(error == dma::errc::device_gone);
}

TEST_CASE("a moved-from device is empty and says so") {
  test::fake_kernel kernel;
  kernel.add_device("adc0");
  dma::device a;
  const dma::device b = std::move(a);
  CHECK(b);
  CHECK_FALSE(a);
  CHECK_THROWS_AS(a.info(), std::logic_error);
  CHECK(kernel.open_files() == 1);
}
