// Where a writer works until its result is whole: a hidden name beside the target, so that the rename stays on one
// file system. Used inside runtime/base only.
#pragma once

#include "runtime/base/files.h"

namespace caa {

/// `.<name>.tmp-<pid>-<serial>` in the target's folder: unique among living processes.
Path temporaryBeside(const Path &target);

} // namespace caa
