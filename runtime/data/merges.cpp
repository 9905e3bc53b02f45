// Two ways to the same tokens: short pieces (nearly all) rescan a small array for each merge; long ones keep a heap of
// candidate merges over a linked list, so that a megabyte without a space still takes n log n steps.
#include "runtime/data/merges.h"

#include <bit>
#include <queue>

namespace caa {
namespace {

constexpr size_t shortPiece = 48;

uint64_t keyOf(uint32_t left, uint32_t right) { return uint64_t(left) << 32 | right; }

size_t slotOf(uint64_t key, size_t mask) { return size_t((key * 0x9e3779b97f4a7c15ull) >> 20) & mask; }

} // namespace

void Merges::reset(size_t count, const std::array<uint32_t, 256> &byteIds) {
  slots_.assign(std::bit_ceil(2 * count + 2), {});
  byteIds_ = byteIds;
}

void Merges::add(uint32_t left, uint32_t right, Rule rule) {
  uint64_t key = keyOf(left, right);
  size_t mask = slots_.size() - 1, at = slotOf(key, mask);
  while (slots_[at].pair != UINT64_MAX && slots_[at].pair != key)
    at = (at + 1) & mask;
  slots_[at] = {key, rule};
}

Merges::Rule Merges::find(uint32_t left, uint32_t right) const {
  uint64_t key = keyOf(left, right);
  size_t mask = slots_.size() - 1;
  for (size_t at = slotOf(key, mask);; at = (at + 1) & mask) {
    if (slots_[at].pair == key)
      return slots_[at].rule;
    if (slots_[at].pair == UINT64_MAX)
      return {};
  }
}

void Merges::encode(std::string_view piece, std::vector<int32_t> &out) const {
  if (piece.size() <= shortPiece)
    encodeShort(piece, out);
  else
    encodeLong(piece, out);
}

void Merges::encodeShort(std::string_view piece, std::vector<int32_t> &out) const {
  uint32_t ids[shortPiece];
  Rule rules[shortPiece]; // rules[i] joins ids[i] and ids[i + 1]
  size_t count = piece.size();
  for (size_t i = 0; i < count; ++i)
    ids[i] = byteIds_[static_cast<uint8_t>(piece[i])];
  for (size_t i = 0; i + 1 < count; ++i)
    rules[i] = find(ids[i], ids[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i)
      if (rules[i].rank < rules[best].rank)
        best = i;
    if (rules[best].rank == none)
      break;
    ids[best] = rules[best].joined;
    --count;
    for (size_t i = best + 1; i < count; ++i)
      ids[i] = ids[i + 1];
    for (size_t i = best + 1; i + 1 < count; ++i)
      rules[i] = rules[i + 1];
    if (best > 0)
      rules[best - 1] = find(ids[best - 1], ids[best]);
    if (best + 1 < count)
      rules[best] = find(ids[best], ids[best + 1]);
  }
  out.insert(out.end(), ids, ids + count);
}

void Merges::encodeLong(std::string_view piece, std::vector<int32_t> &out) const {
  struct Node {
    uint32_t id, previous, next;
    bool gone = false;
  };
  struct Candidate {
    uint32_t rank, left, leftId, rightId, joined;
    bool operator>(const Candidate &other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
  };
  auto count = uint32_t(piece.size());
  std::vector<Node> nodes(count);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  auto offer = [&](uint32_t left) {
    uint32_t right = nodes[left].next;
    if (right == none)
      return;
    if (Rule rule = find(nodes[left].id, nodes[right].id); rule.rank != none)
      queue.push({rule.rank, left, nodes[left].id, nodes[right].id, rule.joined});
  };
  for (uint32_t i = 0; i < count; ++i)
    nodes[i] = {byteIds_[static_cast<uint8_t>(piece[i])], i > 0 ? i - 1 : none, i + 1 < count ? i + 1 : none};
  for (uint32_t i = 0; i < count; ++i)
    offer(i);
  while (!queue.empty()) {
    Candidate best = queue.top();
    queue.pop();
    Node &left = nodes[best.left];
    if (left.gone || left.id != best.leftId || left.next == none || nodes[left.next].id != best.rightId)
      continue; // one of the two was merged since
    Node &right = nodes[left.next];
    left.id = best.joined;
    right.gone = true;
    left.next = right.next;
    if (left.next != none)
      nodes[left.next].previous = best.left;
    if (left.previous != none)
      offer(left.previous);
    offer(best.left);
  }
  for (uint32_t i = 0; i != none; i = nodes[i].next)
    out.push_back(int32_t(nodes[i].id));
}

} // namespace caa
