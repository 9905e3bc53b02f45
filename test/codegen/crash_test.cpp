// A crash ends with status 3 and names a file that holds the last IR.
#include "codegen/Driver/CrashHandler.h"

#include "gtest/gtest.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace caa {
namespace {

/// Runs `crash` in a process of its own; what it wrote to stderr, and its exit status (-1: a signal).
std::pair<std::string, int> runApart(void (*crash)()) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    static const std::string ir = "module {}\n";
    handleCrashes();
    setCrashReproducer(ir);
    crash();
    _exit(0);
  }
  close(ends[1]);
  std::string said;
  char buffer[256];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, size_t(count));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {said, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

void expectReproducer(const std::string &said) {
  size_t at = said.find("a reproducer is in ");
  ASSERT_NE(at, std::string::npos) << said;
  std::string path = said.substr(at + 19, said.find('\n', at) - at - 19);
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "module {}\n");
  std::filesystem::remove(path);
}

TEST(Crash, EndsWithStatusThreeAndAReproducer) {
  auto [said, status] = runApart([] { std::raise(SIGSEGV); });
  EXPECT_EQ(status, 3);
  expectReproducer(said);
}

TEST(Crash, OfAnAssertionInAThreadDoesToo) {
  auto [said, status] = runApart([] { std::thread([] { std::abort(); }).join(); });
  EXPECT_EQ(status, 3);
  expectReproducer(said);
}

} // namespace
} // namespace caa
