// SPDX-License-Identifier: MIT
#include "config.hpp"

#include <string>

#include "validators.hpp"

namespace bench {
namespace {

// Packets smaller than a page, of several pages, one that nearly fills the usual BD budget, and a
// job that is split.
const std::vector<std::uint64_t> usual_sizes{4 << 10, 64 << 10, 512 << 10, 4 << 20};
const std::vector<unsigned> usual_depths{1, 4, 16};
constexpr double usual_pass_s = 1.0;

// Fits 8 MiB of locked memory, and some seconds in an emulated guest.
const std::vector<std::uint64_t> quick_sizes{4 << 10, 64 << 10, 512 << 10};
const std::vector<unsigned> quick_depths{1, 4};
constexpr double quick_pass_s = 0.2;

constexpr double memcpy_share = 0.25; // of a pass

} // namespace

const char* name_of(memory_kind kind) noexcept {
  return kind == memory_kind::one_shot ? "one-shot" : "registered";
}

void add_options(CLI::App& app, config& c) {
  app.add_option("-d,--device", c.device, "device, by name or path (default: the first)")
      ->type_name("NAME");
  app.add_option("-s,--size", c.sizes,
                 "bytes of a job, several with commas (default: 4K,64K,512K,4M)")
      ->delimiter(',')
      ->transform(tools::size_value())
      ->check(tools::positive())
      ->type_name("SIZE");
  app.add_option_function<std::vector<std::string>>(
         "-m,--memory",
         [&c](const std::vector<std::string>& names) {
           for (const std::string& name : names)
             c.memories.push_back(name == name_of(memory_kind::one_shot) ? memory_kind::one_shot
                                                                         : memory_kind::registered);
         },
         "how it is handed over (default: both)")
      ->delimiter(',')
      ->check(CLI::IsMember(std::vector<std::string>{name_of(memory_kind::one_shot),
                                                     name_of(memory_kind::registered)}))
      ->type_name("");
  app.add_option("-q,--depth", c.depths, "round trips under way at a time (default: 1,4,16)")
      ->delimiter(',')
      ->check(CLI::Range(1, 256).description(""))
      ->type_name("N");
  app.add_option("-t,--time", c.pass_s,
                 "seconds of each of the two timed passes of a case (default: 1)")
      ->check(tools::positive())
      ->type_name("SECONDS");
  app.add_option("--timeout", c.timeout_s, "a job that takes longer has failed")
      ->check(tools::positive())
      ->default_val(10)
      ->type_name("SECONDS");
  app.add_flag("--quick", c.quick,
               "fewer and shorter cases: 4K,64K,512K at depth 1,4, 0.2 s each pass");
  app.add_flag("--json", c.as_json, "JSON instead of the tables, with units in the keys");
}

void complete(config& c) {
  if (c.sizes.empty())
    c.sizes = c.quick ? quick_sizes : usual_sizes;
  if (c.memories.empty())
    c.memories = {memory_kind::one_shot, memory_kind::registered};
  if (c.depths.empty())
    c.depths = c.quick ? quick_depths : usual_depths;
  if (c.pass_s == 0)
    c.pass_s = c.quick ? quick_pass_s : usual_pass_s;
  c.memcpy_s = memcpy_share * c.pass_s;
}

std::vector<case_config> cases(const config& c) {
  std::vector<case_config> all;
  for (const std::uint64_t bytes : c.sizes)
    for (const memory_kind memory : c.memories)
      for (const unsigned depth : c.depths)
        all.push_back({.bytes = bytes, .memory = memory, .depth = depth});
  return all;
}

} // namespace bench
