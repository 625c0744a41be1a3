// SPDX-License-Identifier: MIT
// A subcommand adds itself to the command line, and says what to run when it is chosen.
#ifndef PINRING_TOOLS_COMMAND_HPP
#define PINRING_TOOLS_COMMAND_HPP

#include <functional>

#include <CLI/CLI.hpp>

namespace tools {

/// Returns an exit code; throws tools::failure.
using action = std::function<int()>;

void add_info(CLI::App& app, action& chosen);
void add_send(CLI::App& app, action& chosen);
void add_recv(CLI::App& app, action& chosen);
void add_loop(CLI::App& app, action& chosen);

} // namespace tools

#endif
