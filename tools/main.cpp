// SPDX-License-Identifier: MIT
// pinring: the command line tool.
#include <exception>
#include <new>

#include <fmt/core.h>

#include "command.hpp"
#include "failure.hpp"

int main(int argc, char** argv) {
  CLI::App app{"Streams files through a pinring device, and tells what the device can do."};
  app.name("pinring");
  app.require_subcommand(1);
  app.set_version_flag("--version", "pinring " PINRING_TOOL_VERSION);
  app.footer(
      "A device is named by its stable name (loop0), or by path (/dev/pinring0); by default the\n"
      "first one is taken. Sizes take K, M and G: 64K is 65536 bytes.\n"
      "Exit code: 0 done, 1 failed or different, 2 wrong usage, 130 ended by Ctrl-C.");

  tools::action chosen;
  tools::add_info(app, chosen);
  tools::add_loop(app, chosen);
  tools::add_send(app, chosen);
  tools::add_recv(app, chosen);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? tools::exit_success : tools::exit_usage;
  }
  try {
    const int code = chosen();
    tools::close_output();
    return code;
  } catch (const tools::failure& error) {
    fmt::print(stderr, "pinring: {}\n", error.what());
    return error.code();
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "pinring: not enough memory; --piece makes send and recv use less\n");
    return tools::exit_failure;
  } catch (const std::exception& error) {
    fmt::print(stderr, "pinring: {}\n", error.what());
    return tools::exit_failure;
  }
}
