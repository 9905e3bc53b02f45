// Points the runtime at the fake driver (fake_cuda.h) before anything opens one, and reads what was called.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace caa::test {

inline std::string fakeLogPath() { return testing::TempDir() + "fake_cuda." + std::to_string(getpid()) + ".log"; }

/// The calls so far whose line begins with `prefix`.
inline std::vector<std::string> fakeCalls(const std::string &prefix) {
  std::vector<std::string> found;
  std::ifstream log(fakeLogPath());
  for (std::string line; std::getline(log, line);)
    if (line.rfind(prefix, 0) == 0)
      found.push_back(line);
  return found;
}

inline bool contains(const std::vector<std::string> &lines, const std::string &part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string &line) { return line.find(part) != std::string::npos; });
}

/// A static one of these in each file of tests.
struct FakeDriverSetting {
  FakeDriverSetting() {
    setenv("CAA_CUDA_DRIVER", CAA_FAKE_LIBRARY, 1);
    setenv("CAA_CUBLASLT", CAA_FAKE_LIBRARY, 1);
    setenv("CAA_FAKE_CUDA", ("log=" + fakeLogPath()).c_str(), 1);
  }
  ~FakeDriverSetting() { unlink(fakeLogPath().c_str()); }
};

} // namespace caa::test
