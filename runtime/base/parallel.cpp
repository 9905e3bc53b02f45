// How many threads this process may use.
#include "runtime/base/parallel.h"

#include <sched.h>

namespace caa {

unsigned threadCount(unsigned requested) {
  if (requested > 0)
    return requested;
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    return unsigned(CPU_COUNT(&allowed));
  unsigned count = std::thread::hardware_concurrency();
  return count ? count : 1;
}

} // namespace caa
