// A crash of the compiler ends with status 3 and a reproducer, never with a signal.
#pragma once

#include <string>

namespace caa {

/// Handles the signals of crashes from here on.
void handleCrashes();

/// The reproducer of a crash: the last IR. The string must stay alive and unchanged until the next call.
void setCrashReproducer(const std::string &ir);

} // namespace caa
