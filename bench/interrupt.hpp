// SPDX-License-Identifier: MIT
// Ctrl-C ends the measuring, not the program: what there is gets reported.
#ifndef PINRING_BENCH_INTERRUPT_HPP
#define PINRING_BENCH_INTERRUPT_HPP

namespace bench {

/// SIGINT and SIGTERM set interrupted(); a second one ends the program at once.
void catch_interrupts();
[[nodiscard]] bool interrupted() noexcept;

} // namespace bench

#endif
