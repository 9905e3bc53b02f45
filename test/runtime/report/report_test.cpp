// The log survives crashes and resumptions; checksums agree with their standard. Files are read by public libraries in
// test/e2e/report_test.py.
#include "runtime/report/chart.h"
#include "runtime/report/html.h"
#include "runtime/report/jsonl.h"
#include "runtime/report/tensorboard.h"

#include "test/runtime/temporary_folder.h"

#include <cmath>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace caa {
namespace {

TEST(Crc32c, AgreesWithTheStandardsVectors) { // RFC 3720, B.4
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Jsonl, RowsAppendAndALineCutShortByACrashIsDropped) {
  TemporaryFolder folder;
  ASSERT_TRUE(writeFile(folder / "log.jsonl", "{\"step\":1}\n{\"step\":2,\"lo"));
  EXPECT_EQ(readJsonl(folder / "log.jsonl")->size(), 1u);
  {
    auto log = JsonlWriter::open(folder / "log.jsonl");
    ASSERT_TRUE(log);
    ASSERT_TRUE(log->write({{"step", 2}, {"loss", NAN}}));
  }
  EXPECT_EQ(*readFile(folder / "log.jsonl"), "{\"step\":1}\n{\"step\":2,\"loss\":null}\n");
  ASSERT_TRUE(writeFile(folder / "log.jsonl", "{\"step\":1}\nnonsense\n"));
  EXPECT_NE(readJsonl(folder / "log.jsonl").error().message.find("log.jsonl:2"), std::string::npos);
}

TEST(Jsonl, GoingOnFromACheckpointDropsTheRowsThatComeAgain) {
  TemporaryFolder folder;
  std::string kept = "{\"step\":1}\n{\"note\":\"x\"}\n{\"step\":2}\n";
  ASSERT_TRUE(writeFile(folder / "log.jsonl", kept + "{\"step\":3}\n{\"step\":4}\n{\"st"));
  ASSERT_TRUE(dropRowsAfter(folder / "log.jsonl", 2));
  EXPECT_EQ(*readFile(folder / "log.jsonl"), kept);
  EXPECT_TRUE(dropRowsAfter(folder / "nothing.jsonl", 2));
}

TEST(Report, SmoothingKeepsAStraightLineAndTheEnds) {
  Series line;
  for (int i = 0; i < 50; ++i)
    line.push_back({double(i), 2.0 * i + 1});
  auto smooth = smoothed(line, 8);
  ASSERT_EQ(smooth.size(), line.size());
  for (size_t i = 0; i < line.size(); ++i)
    EXPECT_NEAR(smooth[i].value, line[i].value, 1e-9);
  auto spike = smoothed({{0, 0}, {1, 0}, {2, 3}, {3, 0}, {4, 0}}, 1);
  EXPECT_EQ(spike[1].value, 1);
  EXPECT_TRUE(smoothed({}, 5).empty());
}

TEST(Report, ALongSeriesIsThinnedAndKeepsItsSpike) {
  Series series;
  for (int i = 0; i < 100'000; ++i)
    series.push_back({double(i), i == 54'321 ? 100.0 : std::sin(i * 0.001)});
  std::string svg = drawChart({"spiky", {{"", series, 0}}});
  EXPECT_LT(svg.size(), 60'000u);
  EXPECT_NE(svg.find("54321,100"), std::string::npos);
}

TEST(Report, DegenerateSeriesAreDrawn) {
  EXPECT_EQ(drawChart({"none", {{"", {}, 0}}}), "");
  for (double value : {0.0, 3.0, -2.5}) {
    std::string svg = drawChart({"one", {{"", {{7, value}}, 0}}});
    EXPECT_NE(svg.find("<circle"), std::string::npos);
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_EQ(svg.find("inf"), std::string::npos);
  }
}

TEST(Report, TextFromTheLogIsNoMarkup) {
  RunLog log;
  log.name = "<b>run</b>";
  log.last["<i>"] = 1;
  log.series["<i>"] = {{1, 1}, {2, 2}};
  log.sample = "</pre><script>alert(1)</script>";
  std::string page = reportPage({log});
  for (const char *bad : {"<b>", "<i>", "<script>alert"})
    EXPECT_EQ(page.find(bad), std::string::npos) << bad;
}

TEST(Report, NumbersAreShort) {
  EXPECT_EQ(shortNumber(0), "0");
  EXPECT_EQ(shortNumber(3.14159265), "3.142");
  EXPECT_EQ(shortNumber(2.5e-4), "2.5e-4");
  EXPECT_EQ(shortNumber(-9.99999e-8), "-1e-7");
  EXPECT_EQ(shortNumber(0.0125), "0.0125");
  EXPECT_EQ(shortNumber(123456), "123.5k");
  EXPECT_EQ(shortNumber(2.5e9), "2.5G");
}

} // namespace
} // namespace caa
