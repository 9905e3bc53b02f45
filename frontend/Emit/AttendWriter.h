// Builds one `attend`. First `collect` finds the operands that the pair expressions read; then `open` starts the region,
// in which `scalar`, `score` and `membership` write scalars; `close` gives the results.
//
// Where `top` ranks units, a key stands for its unit: what is ranked and who takes part is then written at the unit's last token (the
// position of a block), at its first one (where the same holds for all of its tokens), or reduced over its tokens.
#pragma once

#include "frontend/Emit/Emitter.h"
#include "frontend/Emit/Scalars.h"

namespace caa {

class AttendWriter {
public:
  AttendWriter(Emitter &emitter, mlir::Location loc) : e(emitter), loc(loc) {}

  enum Side { Query, Key, Head };
  struct Set {
    PairRef domain, visible; // met with each other; null: everything
  };

  // False if a part has been refused.
  bool collect(const PairRef &node);
  bool collect(const Set &set) {
    isCausal |= set.visible && impliesCausal(*set.visible);
    return collect(set.domain) && collect(set.visible);
  }
  // What `rank` will write.
  bool collectRank(const PairRef &top);
  int64_t operand(Side side, mlir::Value tensor); // its place within its segment

  void open();
  mlir::Value scalar(const PairRef &node);      // in its own type
  mlir::Value score(const PairRef &node);       // f32
  mlir::Value membership(const Set &set);       // i1 or f32
  mlir::Value hardMembership(const Set &set);   // i1
  // What a `top` ranks a key or its unit by, and whether it takes part.
  struct Rank {
    mlir::Value score, member;
  };
  Rank rank(const PairRef &top);
  // Of a rank's members, one per unit.
  mlir::Value oncePerUnit(mlir::Value member);
  mlir::Value number(const Number &n) { return scalars->number(n, inner->getI64Type()); }
  // A weight where the membership holds, 0 elsewhere; counts if both are integers.
  mlir::Value masked(mlir::Value weight, mlir::Value membership);

  struct Result {
    int64_t width;
    bool counts = false;
  };
  llvm::SmallVector<mlir::Value> close(llvm::ArrayRef<ReductionAttr> reductions, llvm::ArrayRef<mlir::Value> yields,
                                       llvm::ArrayRef<Result> results);

private:
  struct Place {
    Side side;
    int64_t index;
  };
  enum Reading { AtToken, AtUnitStart, AtUnitEnd }; // where in its unit the key is read
  Reading readingOf(const PairNode &top) const;
  bool collectAs(Reading as, const PairRef &node);
  bool collectDot(const PairRef &node);
  bool place(const PairNode *key, int argument, Side side, const Value &value, bool product);
  mlir::Value at(const PairNode *key, int argument);
  mlir::Value write(const PairRef &node);

  Emitter &e;
  mlir::Location loc;
  bool isCausal = false; // what is yielded is met with `visible`, which implies j <= i: windows need not say it again
  std::vector<mlir::Value> segments[3];
  std::map<std::pair<const PairNode *, int>, Place> places; // a leaf (-1) or an argument of a dot
  Reading reading = AtToken;
  int64_t unit = 1; // tokens
  std::set<const PairNode *> collected[3]; // by reading
  std::map<const PairNode *, mlir::Value> written[3];
  std::unique_ptr<mlir::Region> region;
  std::unique_ptr<mlir::OpBuilder> inner;
  std::unique_ptr<Scalars> scalars;
};

} // namespace caa
