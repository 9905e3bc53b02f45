// Both ways of encoding a piece agree with the definition, done naively.
#include "runtime/data/merges.h"

#include "test/seed.h"

#include <gtest/gtest.h>
#include <map>
#include <random>

namespace caa {
namespace {

TEST(Merges, ShortAndLongPiecesFollowTheDefinition) {
  std::mt19937 random(testSeed());
  for (int round = 0; round < 200; ++round) {
    // Random rules over three letters and what they make.
    std::array<uint32_t, 256> bytes{};
    for (uint32_t i = 0; i < 256; ++i)
      bytes[i] = i;
    std::map<std::pair<uint32_t, uint32_t>, Merges::Rule> rules;
    Merges merges;
    merges.reset(64, bytes);
    std::vector<uint32_t> known{'a', 'b', 'c'};
    for (uint32_t rank = 0; rank < 40; ++rank) {
      std::pair pair{known[random() % known.size()], known[random() % known.size()]};
      if (rules.count(pair))
        continue;
      rules[pair] = {rank, 256 + rank};
      merges.add(pair.first, pair.second, rules[pair]);
      known.push_back(256 + rank);
    }
    std::string piece;
    for (size_t n = random() % 150; n > 0; --n)
      piece += char('a' + random() % 3);
    std::vector<int32_t> expected(piece.begin(), piece.end());
    for (;;) {
      size_t best = 0;
      const Merges::Rule *rule = nullptr;
      for (size_t i = 0; i + 1 < expected.size(); ++i) {
        auto it = rules.find({uint32_t(expected[i]), uint32_t(expected[i + 1])});
        if (it != rules.end() && (!rule || it->second.rank < rule->rank)) {
          best = i;
          rule = &it->second;
        }
      }
      if (!rule)
        break;
      expected[best] = int32_t(rule->joined);
      expected.erase(expected.begin() + ptrdiff_t(best) + 1);
    }
    std::vector<int32_t> got;
    merges.encode(piece, got);
    ASSERT_EQ(got, expected) << piece;
  }
}

} // namespace
} // namespace caa
