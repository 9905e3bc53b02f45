// Ctrl-C and SIGTERM as a flag that long work asks for between steps, so that it can save and end with status 0.
#pragma once

namespace caa {

/// To be called by the main thread, which takes the signals (the threads of a pool block them). From now on SIGINT and
/// SIGTERM only set the flag, and a closed pipe or a limit on file sizes is a write error, not a death. The third SIGINT
/// gives up at once, with status 1.
void installSignalHandlers();

/// True once a stop was asked for.
bool stopRequested();

/// Sets or clears the flag by hand (tests, nested work).
void setStopRequested(bool value);

} // namespace caa
