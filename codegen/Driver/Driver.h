// caac as a function; codegen/tools/caac.cpp is its main.
#pragma once

namespace caa {

/// Runs the command line and returns the exit status: 0, 1 (the input is at fault), 2 (usage), 3 (internal error).
int runCaac(int argc, const char *const *argv);

} // namespace caa
