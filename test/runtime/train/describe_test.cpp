// What inspect says of a file with code for several targets.
#include "runtime/train/describe.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>

namespace caa {
namespace {

OrderedJson described() { return *describe(*Image::open(CAA_SAMPLE_SO), {.batch = 2, .length = 32}); }

TEST(Description, NamesTheTargetOfEveryEntryAndKernel) {
  auto facts = described();
  EXPECT_EQ(facts["targets"], OrderedJson({"cpu", "sm_80", "sm_90a"}));
  std::map<std::string, std::set<std::string>> entries, kernels;
  for (const auto &entry : facts["entries"])
    entries[entry["target"]].insert(entry["name"]);
  for (const auto &kernel : facts["kernels"])
    kernels[kernel["target"]].insert(kernel["name"]);
  EXPECT_TRUE(entries["cpu"].contains("micro_step"));
  for (std::string target : {"sm_80", "sm_90a"}) {
    EXPECT_EQ(entries[target], (std::set<std::string>{"add.forward", "product", "update"}));
    EXPECT_EQ(kernels[target], std::set<std::string>{"add"});
  }
}

TEST(Description, TellsInstructionSetsOfCpuKernelsAndLaunchesOfGpuKernels) {
  for (const auto &kernel : described()["kernels"])
    if (kernel["target"] == "cpu") {
      EXPECT_EQ(kernel["isa"], OrderedJson({"AVX2", "AVX-512"}));
      EXPECT_FALSE(kernel.contains("threads"));
    } else {
      EXPECT_EQ(kernel["threads"], 32);
      EXPECT_EQ(kernel["tensor_maps"], kernel["target"] == "sm_90a" ? 1 : 0);
      EXPECT_FALSE(kernel.contains("isa"));
      EXPECT_FALSE(kernel.contains("registers")) << "no assembler was asked";
    }
}

TEST(Description, CountsTheWorkOfAGpuEntry) {
  for (const auto &entry : described()["entries"])
    if (entry["name"] == "product") {
      EXPECT_EQ(entry["product_flops"], 2 * (2.0 * 64 * 8 * 8));
    }
}

TEST(Description, ListsModulesWithTheirSizes) {
  auto facts = described();
  ASSERT_EQ(facts["modules"].size(), 2u);
  for (const auto &module : facts["modules"]) {
    EXPECT_EQ(module["kind"], "ptx");
    EXPECT_GT(module["bytes"], 500);
  }
  auto text = describeForPeople(facts);
  EXPECT_NE(text.find("for cpu, sm_80, sm_90a"), std::string::npos) << text;
  EXPECT_NE(text.find("sm_90a: 32 threads"), std::string::npos) << text;
}

} // namespace
} // namespace caa
