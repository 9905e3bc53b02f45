// Pieces of text that an encoder met lately, with their tokens: one cache line a look-up, fixed memory.
//
// Words repeat (Zipf's law), so that nearly every piece of natural text is found here and its merges need not be done
// again. Pieces of up to 15 bytes and 4 tokens are kept; two share a place, and the one used longest ago gives way.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace caa {

class PieceCache {
public:
  static constexpr size_t longestPiece = 15, mostTokens = 4;
  struct Key {
    uint64_t low = 0, high = 0; // the bytes, and the length in the last
    bool operator==(const Key &) const = default;
  };
  /// `piece` has 1 to `longestPiece` bytes.
  static Key keyOf(std::string_view piece);

  PieceCache() : places_(size_t(1) << placeBits) {}
  /// Appends the tokens if the piece is known.
  bool find(const Key &key, std::vector<int32_t> &out);
  /// Remembers a piece of 1 to `mostTokens` tokens.
  void add(const Key &key, const int32_t *tokens, size_t count);

private:
  static constexpr int placeBits = 15; // two megabytes
  struct Entry {
    Key key; // zeros: empty
    std::array<int32_t, mostTokens> tokens{-1, -1, -1, -1};
  };
  struct alignas(64) Place {
    Entry newer, older;
  };
  Place &placeOf(const Key &key) {
    uint64_t mixed = (key.low ^ (key.high * 0x9e3779b97f4a7c15ull)) * 0xd6e8feb86659fd93ull;
    return places_[mixed >> (64 - placeBits)];
  }
  std::vector<Place> places_;
};

} // namespace caa
