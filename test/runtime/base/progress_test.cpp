// Numbers read as a user writes them; without a terminal there are plain lines and no control characters.
#include "runtime/base/progress.h"

#include <gtest/gtest.h>

namespace caa {
namespace {

TEST(Progress, CountsAndDurationsReadNaturally) {
  EXPECT_EQ(formatCount(950), "950");
  EXPECT_EQ(formatCount(12345), "12.3k");
  EXPECT_EQ(formatCount(999.7e3), "1.00M");
  EXPECT_EQ(formatCount(4.556e6), "4.56M");
  EXPECT_EQ(formatDuration(7.2), "8 s");
  EXPECT_EQ(formatDuration(185), "3:05");
  EXPECT_EQ(formatDuration(3723), "1:02:03");
  EXPECT_EQ(formatDuration(2 * 86400 + 4 * 3600), "2 d 4:00:00");
}

TEST(Progress, AFileGetsPlainLinesOnly) {
  FILE *file = std::tmpfile();
  {
    Progress progress("working", 4, {file, 0.0, true});
    for (uint64_t i = 1; i <= 4; ++i)
      progress.update(i, "loss 1.5");
    progress.print("a lasting line");
  }
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_NE(text.find("working 2/4  50%  loss 1.5"), std::string::npos) << text;
  EXPECT_NE(text.find("a lasting line\n"), std::string::npos) << text;
}

} // namespace
} // namespace caa
