// piece_cache.h: keys are loaded without reading outside the piece.
#include "runtime/data/piece_cache.h"

#include <cstring>
#include <utility>

namespace caa {
namespace {

template <typename Word> uint64_t load(const char *from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

} // namespace

PieceCache::Key PieceCache::keyOf(std::string_view piece) {
  const char *data = piece.data();
  size_t size = piece.size();
  Key key;
  if (size > 8) { // the two loads overlap; what the first has already is shifted out
    key.low = load<uint64_t>(data);
    key.high = load<uint64_t>(data + size - 8) >> (8 * (16 - size));
  } else if (size == 8) {
    key.low = load<uint64_t>(data);
  } else if (size >= 4) {
    key.low = load<uint32_t>(data) | load<uint32_t>(data + size - 4) << (8 * (size - 4));
  } else {
    key.low = load<uint8_t>(data) | load<uint8_t>(data + size / 2) << (8 * (size / 2)) |
              load<uint8_t>(data + size - 1) << (8 * (size - 1));
  }
  key.high |= uint64_t(size) << 56;
  return key;
}

bool PieceCache::find(const Key &key, std::vector<int32_t> &out) {
  Place &place = placeOf(key);
  if (place.newer.key != key) {
    if (place.older.key != key)
      return false;
    std::swap(place.newer, place.older);
  }
  for (int32_t token : place.newer.tokens) {
    if (token < 0)
      break;
    out.push_back(token);
  }
  return true;
}

void PieceCache::add(const Key &key, const int32_t *tokens, size_t count) {
  Place &place = placeOf(key);
  place.older = place.newer;
  place.newer = {key, {-1, -1, -1, -1}};
  std::memcpy(place.newer.tokens.data(), tokens, count * sizeof *tokens);
}

} // namespace caa
