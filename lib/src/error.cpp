// SPDX-License-Identifier: MIT
#include <dma/error.hpp>

#include <string>

#include <pinring.h>

#include "explain.hpp"
#include "kernel.hpp"

namespace dma {
namespace {

// What is wrong, and after the colon what to do about it.
const char* text_of(errc e) noexcept {
  switch (e) {
  case errc::not_permitted:
    return "no permission to open the device: add the user to the group pinring "
           "(sudo usermod -aG pinring USER) and log in again";
  case errc::bad_argument:
    return "a length, flag or address that can never be right here, or memory that the hardware "
           "can't take as it is and zero_copy does not let the driver copy: check the device's "
           "alignment and limits (pinring info)";
  case errc::unknown_field:
    return "the driver does not know part of the request: update pinring.ko";
  case errc::bad_address:
    return "the memory can't be read, written or pinned: check that it is mapped, that a receive's "
           "is writable, and that it is ordinary memory";
  case errc::unknown_call:
    return "not a pinring device, or a driver too old for this call";
  case errc::not_available:
    return "not available on this device, driver or ring: see its directions and features "
           "(pinring info)";
  case errc::no_ring:
    return "the ring is closed";
  case errc::exists:
    return "the place in the table of buffers is taken: remove a registered buffer first";
  case errc::busy:
    return "in use by another ring: close it, or claim shared on both sides";
  case errc::too_many_rings:
    return "this user has too many rings on the device, or the process too many open files: close "
           "some";
  case errc::device_full:
    return "the device has as many rings as it can have: wait until some are closed";
  case errc::wrong_process:
    return "the ring belongs to the process that made it: open one after fork()";
  case errc::corrupt_ring:
    return "the queue indices in shared memory make no sense: something wrote over them";
  case errc::reap_first:
    return "too many jobs are submitted and not reaped: reap completions, then submit again";
  case errc::interrupted:
    return "a signal ended the wait: jobs go on, wait again";
  case errc::wait_expired:
    return "the time to wait is over: jobs go on";
  case errc::device_gone:
    return "the device is gone (unbound or removed): open it anew when it is back";
  case errc::out_of_memory:
    return "the kernel is out of memory";
  case errc::memlock_exceeded:
    return "the limit of locked memory (RLIMIT_MEMLOCK) does not allow it: raise it with ulimit "
           "-l, "
           "memlock in /etc/security/limits.conf or LimitMEMLOCK= of the service; or the lists of "
           "jobs under way have too many pieces: wait for some of them";
  case errc::message_too_long:
    return "too long for one packet: split it, gather the list or use fewer and larger pieces, or "
           "a "
           "registered buffer in huge pages";
  case errc::not_found:
    return "there is no such job or buffer (any more)";
  case errc::already_started:
    return "the job has started and can't be withdrawn: wait for it, or abort it";
  case errc::withdrawn:
    return "withdrawn before it started, or aborted";
  case errc::deadline_passed:
    return "the deadline passed before the peer took or gave all of the data";
  case errc::transfer_failed:
    return "the DMA engine reported an error: see dmesg";
  case errc::ended_early:
    return "the packet ended before the promised length: receive with may_be_short if that is "
           "expected";
  case errc::collateral_reset:
    return "the channel was reset on another job's account: submit again";
  case errc::queue_full:
    return "the submission queue is full: submit, then prepare again";
  case errc::module_not_loaded:
    return "there is no pinring device, the module is not loaded: sudo modprobe pinring";
  case errc::no_such_device:
    return "no such pinring device";
  case errc::incompatible_driver:
    return "the driver speaks another version of the ABI: install the pinring.ko that belongs to "
           "this library";
  }
  return nullptr;
}

class pinring_category final : public std::error_category {
public:
  [[nodiscard]] const char* name() const noexcept override { return "pinring"; }

  [[nodiscard]] std::string message(int value) const override {
    if (value == 0)
      return "success";
    if (const char* const text = text_of(static_cast<errc>(value)))
      return text;
    return std::generic_category().message(value);
  }

  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<errc>(value)) {
    case errc::module_not_loaded:
    case errc::no_such_device:
      return std::errc::no_such_device;
    case errc::incompatible_driver:
      return std::errc::not_supported;
    default:
      return {value, std::generic_category()};
    }
  }
};

std::string kib(std::uint64_t bytes) {
  return std::to_string((bytes + 1023) / 1024) + " KiB";
}

} // namespace

const std::error_category& error_category() noexcept {
  static const pinring_category category;
  return category;
}

std::string explain(std::error_code error, const error_context& context) {
  const std::string prefix = detail::explain_prefix(error, context);
  return prefix.empty() ? error.message() : prefix + ": " + error.message();
}

namespace detail {

std::string explain_prefix(std::error_code error, const error_context& context) {
  std::string text{context.device};
  const auto say = [&text](const std::string& more) {
    if (!text.empty())
      text += ": ";
    text += more;
  };
  if (error == errc::memlock_exceeded) {
    const std::uint64_t limit = system_calls().memlock_limit();
    std::string values;
    if (context.bytes)
      values = "needs " + kib(context.bytes) + " of locked memory, ";
    values += limit == UINT64_MAX ? std::string{"this process has no limit of its own"}
                                  : "has " + kib(limit);
    if (context.bytes && limit != UINT64_MAX && context.bytes <= limit)
      values += " of which other buffers of this user hold a part";
    say(values);
  } else if (error == errc::message_too_long && context.bytes) {
    std::string values = std::to_string(context.bytes) + " bytes";
    if (context.max_packet >= context.bytes)
      values += " in too many pieces";
    else if (context.max_packet)
      values += ", a packet takes " + std::to_string(context.max_packet);
    say(values);
  } else if (error && context.bytes) {
    say(std::to_string(context.bytes) + " bytes");
  }
  return text;
}

void report(std::error_code error, const error_context& context, std::error_code* into) {
  if (into)
    *into = error;
  else if (error)
    throw std::system_error{error, explain_prefix(error, context)};
}

} // namespace detail
} // namespace dma
