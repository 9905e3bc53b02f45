// Checkpoints: what is written is read, and no damaged byte goes unnoticed.
#include "runtime/train/checkpoint.h"

#include "test/runtime/temporary_folder.h"
#include "test/seed.h"

#include <cstring>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>

namespace caa {
namespace {

namespace fs = std::filesystem;

class Checkpoints : public testing::Test {
protected:
  Image image = *Image::open(CAA_SAMPLE_SO);
  TemporaryFolder folder;
  Threads threads{2};
  TrainSettings settings;
  ParameterArena values = *ParameterArena::allocate(image);
  AdamW optimizer = *AdamW::create(image, settings);

  void SetUp() override {
    initialise(image, values, 5, threads);
    initialise(image, optimizer.firstMoment(), 6, threads);
    initialise(image, optimizer.secondMoment(), 7, threads);
    ASSERT_TRUE(writeFile(folder / "tokenizer.json", "{\"some\": \"tokenizer\"}"));
  }
  Path save(int64_t step, int64_t keep = 3) {
    RunState state;
    state.step = step;
    state.updates = step - 1;
    state.position = uint64_t(step) * 512;
    state.seed = 11;
    state.settings = settings.toJson();
    state.dataId = "data";
    auto path = saveCheckpoint(folder / "run", {image, values, optimizer, state, folder / "tokenizer.json"}, keep);
    EXPECT_TRUE(path) << path.error().message;
    return *path;
  }
};

TEST_F(Checkpoints, HoldWhatWasSaved) {
  save(7);
  auto checkpoint = Checkpoint::open(folder / "run");
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->state().step, 7);
  EXPECT_EQ(checkpoint->state().updates, 6);
  EXPECT_EQ(checkpoint->state().position, 7u * 512);
  EXPECT_EQ(checkpoint->state().seed, 11u);
  EXPECT_EQ(checkpoint->state().settings, settings.toJson());
  EXPECT_EQ(*readFile(*checkpoint->tokenizer()), "{\"some\": \"tokenizer\"}");
  auto read = *ParameterArena::allocate(image);
  auto other = *AdamW::create(image, settings);
  ASSERT_TRUE(checkpoint->loadParameters(image, read));
  ASSERT_TRUE(checkpoint->loadMoments(image, other));
  auto same = [](const ParameterArena &a, const ParameterArena &b) {
    return std::memcmp(a.values().data(), b.values().data(), a.values().size_bytes()) == 0;
  };
  EXPECT_TRUE(same(read, values));
  EXPECT_TRUE(same(other.firstMoment(), optimizer.firstMoment()));
  EXPECT_TRUE(same(other.secondMoment(), optimizer.secondMoment()));
}

TEST_F(Checkpoints, TheNewestAreKeptAndLastPointsAtTheNewest) {
  for (int64_t step : {2, 10, 9, 11})
    save(step, 2);
  auto all = checkpointsOf(folder / "run");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].filename(), "checkpoint-10");
  EXPECT_EQ(all[1].filename(), "checkpoint-11");
  EXPECT_EQ(fs::read_symlink(folder / "run" / "last"), "checkpoint-11");
  EXPECT_EQ(Checkpoint::open(folder / "run" / "last")->state().step, 11);
  for (const auto &entry : fs::directory_iterator(folder / "run"))
    EXPECT_NE(entry.path().filename().string().front(), '.') << "nothing is left over";
}

TEST_F(Checkpoints, AnyFlippedBitOrMissingByteIsRefusedByTheFilesName) {
  Path checkpoint = save(7);
  std::mt19937_64 random(testSeed());
  for (const auto &entry : fs::directory_iterator(checkpoint)) {
    auto good = *readFile(entry.path());
    for (int round = 0; round < 40; ++round) {
      auto bad = good;
      if (round < 37)
        bad[random() % bad.size()] ^= char(1 << random() % 8);
      else
        bad = round == 37 ? bad.substr(0, bad.size() - 1) : round == 38 ? bad + " " : "";
      ASSERT_TRUE(writeFile(entry.path(), bad));
      auto opened = Checkpoint::open(checkpoint);
      ASSERT_FALSE(opened) << entry.path();
      // A file's name inside of state.json may be what was damaged.
      EXPECT_NE(opened.error().message.find(checkpoint.string()), std::string::npos);
      if (entry.path().filename() != "state.json") {
        EXPECT_NE(opened.error().message.find(entry.path().filename().string()), std::string::npos);
      }
    }
    ASSERT_TRUE(writeFile(entry.path(), good));
    EXPECT_TRUE(Checkpoint::open(checkpoint));
  }
  fs::remove(checkpoint / "model.safetensors");
  EXPECT_FALSE(Checkpoint::open(checkpoint));
  EXPECT_FALSE(Checkpoint::open(folder / "nowhere"));
  EXPECT_FALSE(Checkpoint::open(folder.path()));
}

} // namespace
} // namespace caa
