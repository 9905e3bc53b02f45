// The merge rules of byte-pair encoding, and applying them to one piece of text.
//
// Rules are tried by rank: at each moment the pair of neighbours with the lowest rank is joined (the leftmost of
// equals), until no neighbours have a rule. (Sennrich et al. 2016, section 3.2.)
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace caa {

class Merges {
public:
  static constexpr uint32_t none = UINT32_MAX;
  struct Rule {
    uint32_t rank = none; // its line in the list of merges
    uint32_t joined = none;
  };

  /// Room for `count` rules; `byteIds` are the tokens of the 256 single bytes.
  void reset(size_t count, const std::array<uint32_t, 256> &byteIds);
  /// Joins `left` and `right` to the token `joined`. A pair given twice keeps the later rank.
  void add(uint32_t left, uint32_t right, Rule rule);
  /// The rule of a pair; its rank is `none` if there is none.
  Rule find(uint32_t left, uint32_t right) const;

  /// Appends the tokens of a piece.
  void encode(std::string_view piece, std::vector<int32_t> &out) const;

private:
  struct Slot {
    uint64_t pair = UINT64_MAX;
    Rule rule;
  };
  void encodeShort(std::string_view piece, std::vector<int32_t> &out) const;
  void encodeLong(std::string_view piece, std::vector<int32_t> &out) const;

  std::vector<Slot> slots_; // open addressing, at most half full
  std::array<uint32_t, 256> byteIds_{};
};

} // namespace caa
